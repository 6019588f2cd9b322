"""The calls that score: rows at once, and batch jobs on datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard.bodies import Body, json_body
from modelyard.dataset_calls import DatasetCalls
from modelyard.datasets import DatasetVersion, is_table_file
from modelyard.errors import TooLarge
from modelyard.jobs import BatchJob
from modelyard.optional import is_frame, is_series
from modelyard.refs import DatasetRef, ModelRef
from modelyard.rows import scoring_body
from modelyard.scores import ScoreResult
from modelyard.transport import Call, Sink, path_of


class ScoringCalls(DatasetCalls):
    """Scoring; a batch job may first send its rows as a dataset."""

    def score(
        self,
        ref: str,
        rows: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        on_row_error: str | None = None,
    ) -> ScoreResult:
        """Score rows at once.

        ``rows``: a DataFrame, an Arrow or polars table, a list of dicts or of lists, a dict of
        columns, or an array. ``on_row_error="skip"`` answers None at bad rows and lists them in
        ``errors``; else one bad cell refuses all with ``InvalidRows``.
        """
        body = scoring_body(rows, outputs=outputs, params=params)
        target = ModelRef.parse(ref, version)
        index = rows.index if is_frame(rows) or is_series(rows) else None
        call = self._scoring_call(target, body, {}, on_row_error)
        with _pointing_to_batch():
            document = self._transport.json(call)
        return ScoreResult.from_json(document, index=index)

    def score_stream(
        self,
        ref: str,
        body: Body,
        sink: Sink,
        *,
        accept: str,
        outputs: Sequence[str] | None = None,
        on_row_error: str | None = None,
    ) -> None:
        """Send a body as it is and stream the answer, in the media type asked for, into a sink."""
        query = {"outputs": ",".join(outputs)} if outputs else {}
        target = ModelRef.parse(ref)
        call = self._scoring_call(target, body, query, on_row_error, accept=accept)
        showing = self._progress.step(f"Scoring with {ref}", in_bytes=True)
        with _pointing_to_batch(), showing as step:
            self._transport.download(call, sink, lambda come, all_: step.reach(come, all_ or None))

    def batch(
        self,
        ref: str,
        dataset: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        keep_columns: str | Sequence[str] | None = None,
        on_row_error: str | None = None,
        chunk_rows: int | None = None,
        dataset_name: str | None = None,
        sink: Mapping[str, str] | None = None,
        compare_with: int | str | None = None,
        priority: int | None = None,
    ) -> BatchJob:
        """Score a dataset of any size; the job runs on over there.

        ``dataset`` is the name of one that is there (``customers``, ``customers@3``), the path of
        a table file, or a DataFrame. A file or frame is uploaded first, as ``dataset_name``, which
        a file's own name stands in for. A mapping is a source that the service reads itself:
        ``{"connection": "shop", "query": "select ..."}``. ``sink`` is a table that the results go
        to as well: ``{"connection": "reports", "table": "scores"}``. ``keep_columns`` is ``"all"``
        or a list; ``on_row_error`` is ``"reject"`` or ``"fail"``. ``compare_with`` is another
        version, a number or ``"@champion"``, that answers the same rows: see
        ``BatchJob.comparison()``. ``priority`` is -10 to 10.
        """
        target = ModelRef.parse(ref, version)
        wanted: dict[str, Any] = {
            "model": target.text,
            "version": target.version,
            **self._rows_for(dataset, dataset_name),
            "outputs": list(outputs) if outputs is not None else None,
            "keep_columns": keep_columns
            if isinstance(keep_columns, str)
            else _listed(keep_columns),
            "on_row_error": on_row_error,
            "chunk_rows": chunk_rows,
            "sink": None if sink is None else dict(sink),
            "compare_with": compare_with,
            "priority": priority,
        }
        body = json_body({name: value for name, value in wanted.items() if value is not None})
        document = self._transport.json(Call("POST", "/batch-jobs", body=body, creates=True))
        return BatchJob(self._transport, document, progress=self._progress)

    def _rows_for(self, dataset: Any, name: str | None) -> dict[str, Any]:
        if isinstance(dataset, Mapping):
            return {"source": dict(dataset)}
        return {"dataset": self._dataset_for(dataset, name)}

    def job(self, id: str) -> BatchJob:
        """A batch job by its id."""
        document = self._transport.json(Call("GET", path_of("batch-jobs", id)))
        return BatchJob(self._transport, document, progress=self._progress)

    def _scoring_call(
        self,
        target: ModelRef,
        body: Body,
        query: Mapping[str, str],
        on_row_error: str | None,
        *,
        accept: str = "application/json",
    ) -> Call:
        wanted = {**query, "on_row_error": on_row_error} if on_row_error else dict(query)
        return Call("POST", target.predict_path, wanted, body=body, accept=accept)

    def _dataset_for(self, dataset: Any, name: str | None) -> str:
        """The ref of a dataset, uploaded before where it is a file or a table."""
        if isinstance(dataset, DatasetVersion):
            return dataset.ref
        is_text = isinstance(dataset, str)
        is_path = isinstance(dataset, Path) or (is_text and _means_file(dataset))
        if is_text and not is_path:
            return str(DatasetRef.parse(dataset))
        # Not waited for: the job itself waits while the rows are being read.
        return self.upload_dataset(dataset, name, wait=False).ref


@contextmanager
def _pointing_to_batch() -> Iterator[None]:
    try:
        yield
    except TooLarge as exc:
        exc.detail += " Tables of any size go through a batch job."
        raise


def _means_file(text: str) -> bool:
    return Path(text).is_file() or "/" in text or is_table_file(Path(text))


def _listed(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)
