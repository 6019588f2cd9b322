"""A batch job: how far it is, its results, its end."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from modelyard.errors import JobFailed, UsageError
from modelyard.files import landing
from modelyard.optional import need
from modelyard.progress import Progress
from modelyard.transport import Call, Sink, Transport, path_of
from modelyard.waiting import wait_until

OVER = frozenset({"completed", "completed_with_rejects", "failed", "cancelled"})
RESULT_FORMATS = ("csv", "parquet", "jsonl")


class BatchJob:
    """One scoring of a dataset. What it says is as of the last ``refresh()`` or ``wait()``."""

    def __init__(
        self, transport: Transport, document: Mapping[str, Any], *, progress: Progress
    ) -> None:
        self._transport = transport
        self._progress = progress
        self.document = document

    @property
    def id(self) -> str:
        """The job's id."""
        return str(self.document["id"])

    @property
    def state(self) -> str:
        """queued, running, completed, completed_with_rejects, failed or cancelled."""
        return str(self.document["state"])

    @property
    def is_over(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.state in OVER

    @property
    def rows_total(self) -> int | None:
        """How many rows the dataset has; None while that is not known."""
        return self.document.get("rows_total")

    @property
    def rows_done(self) -> int:
        """How many rows have been read and answered or rejected."""
        return self.document.get("rows_done") or 0

    @property
    def rows_rejected(self) -> int:
        """How many rows were rejected."""
        return self.document.get("rows_rejected") or 0

    @property
    def progress(self) -> float:
        """The part that is done, from 0.0 to 1.0."""
        if self.state.startswith("completed"):
            return 1.0
        return min(1.0, self.rows_done / self.rows_total) if self.rows_total else 0.0

    @property
    def output_dataset(self) -> str | None:
        """The dataset that holds the results; None before there are any."""
        return self.document.get("output_dataset")

    @property
    def error(self) -> str | None:
        """Why it failed."""
        error = self.document.get("error")
        if isinstance(error, Mapping):
            return str(error.get("detail") or error.get("title") or error)
        return str(error) if error else None

    def refresh(self) -> BatchJob:
        """Ask how it stands now."""
        self.document = self._transport.json(Call("GET", path_of("batch-jobs", self.id)))
        return self

    def wait(self, timeout_s: float | None = None) -> BatchJob:
        """Wait for the end, whatever it is; WaitTimedOut after ``timeout_s`` (None: for ever)."""
        with self._progress.step(f"Batch job {self.id}") as step:

            def look() -> BatchJob:
                self.refresh()
                step.reach(self.rows_done, self.rows_total, self._note())
                return self

            return wait_until(
                look,
                lambda job: job.is_over,
                clock=self._transport.clock,
                timeout_s=timeout_s,
                subject=f"Batch job {self.id}",
            )

    def raise_if_failed(self) -> BatchJob:
        """The job itself, or JobFailed with the reason when it failed or was cancelled."""
        if self.state in ("failed", "cancelled"):
            reason = self.error or "no reason was given"
            raise JobFailed(f"Batch job {self.id} is {self.state}: {reason}")
        return self

    def results(self, path: str | Path | None = None, *, format: str | None = None) -> Any:
        """The answers in the order of the rows: the kept columns, then the predictions.

        With ``path`` they are streamed into that file, in ``format`` or that of its suffix, and
        the path is returned; without, they come as a DataFrame. StateConflict before the end.
        """
        return self._fetch("results", path, format)

    def rejects(self, path: str | Path | None = None, *, format: str | None = None) -> Any:
        """The rejected rows with their reasons, in the same ways as ``results()``."""
        return self._fetch("rejects", path, format)

    def comparison(self) -> dict[str, Any]:
        """How the two versions of a job with ``compare_with`` differ on its rows.

        StateConflict before the end, NotFound for a job that compares nothing.
        """
        path = path_of("batch-jobs", self.id, "comparison")
        return dict(self._transport.json(Call("GET", path)))

    def cancel(self) -> BatchJob:
        """Stop it. StateConflict when it is over already."""
        return self._order("cancel")

    def retry(self) -> BatchJob:
        """Do again what failed. StateConflict unless it failed or has rejects."""
        return self._order("retry")

    def stream(self, part: str, sink: Sink, *, format: str) -> None:
        """Stream ``results`` or ``rejects`` into a sink."""
        call = Call("GET", path_of("batch-jobs", self.id, part), {"format": format}, accept="*/*")
        with self._progress.step(f"Fetching {part}", in_bytes=True) as step:
            self._transport.download(call, sink, lambda come, all_: step.reach(come, all_ or None))

    def _order(self, verb: str) -> BatchJob:
        path = path_of("batch-jobs", self.id, verb)
        document = self._transport.json(Call("POST", path, creates=True))
        self.document = document or self.document
        return self

    def _fetch(self, part: str, path: str | Path | None, format: str | None) -> Any:
        if path is not None:
            target = Path(path)
            chosen = format or format_of(target)
            with landing(target) as sink:
                self.stream(part, sink, format=chosen)
            return target
        if format is not None:
            raise UsageError("A format belongs to a path; without one the rows are a DataFrame.")
        parquet = need("pyarrow.parquet", f"{part}() without a path")
        need("pandas", f"{part}() without a path")
        with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
            arrived = cast(Path, self._fetch(part, Path(folder) / f"{part}.parquet", "parquet"))
            return parquet.read_table(arrived).to_pandas()

    def _note(self) -> str:
        paused = self.document.get("paused_reason")
        return f"{self.state}, paused: {paused}" if paused else self.state

    def __repr__(self) -> str:
        return f"<BatchJob {self.id} {self.state} {self.rows_done}/{self.rows_total or '?'} rows>"


def format_of(path: Path) -> str:
    """The format of results that a file's suffix asks for. UsageError for another suffix."""
    format = path.suffix.lower().removeprefix(".")
    if format not in RESULT_FORMATS:
        known = ", ".join(f".{name}" for name in RESULT_FORMATS)
        raise UsageError(f"{path.name!r} has none of the suffixes {known}: name a format.")
    return format
