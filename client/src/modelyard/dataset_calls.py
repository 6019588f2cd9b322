"""The calls about datasets: list, read, send, fetch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelyard.bodies import json_body
from modelyard.calls import Calls
from modelyard.datasets import (
    DOWNLOAD_FORMATS,
    Dataset,
    DatasetVersion,
    fetch_dataset_version,
    name_from,
    send_dataset,
    table_file,
)
from modelyard.errors import UsageError
from modelyard.files import landing
from modelyard.refs import DatasetRef
from modelyard.transport import Call, Sink, path_of
from modelyard.waiting import wait_until


class DatasetCalls(Calls):
    """Datasets and their versions."""

    def datasets(self, *, search: str | None = None, archived: bool = False) -> Iterator[Dataset]:
        """The datasets that this key may see, newest first; or those that are archived."""
        query = {"search": search} if search else {}
        for document in self._pages(
            "/datasets", query | ({"archived": "true"} if archived else {})
        ):
            yield Dataset.from_json(document)

    def archive_dataset(self, name: str) -> Dataset:
        """Take a dataset out of use: no list has it, it takes no version and no job."""
        return Dataset.from_json(self._set_archived(path_of("datasets", name, "archive")))

    def unarchive_dataset(self, name: str) -> Dataset:
        """Take it back into use."""
        return Dataset.from_json(self._set_archived(path_of("datasets", name, "unarchive")))

    def promote(self, ref: str, tier: str, *, reason: str) -> Mapping[str, Any]:
        """Ask that a version moves up a tier: the request that somebody else has to decide.

        RulesNotMet where it does not fit the rules of its dataset.
        """
        named = DatasetRef.parse(ref)
        number = named.number or self.dataset(ref).number
        path = path_of("datasets", named.name, "versions", number, "promote")
        body = json_body({"tier": tier, "reason": reason})
        call = Call("POST", path, body=body, creates=True)
        answer: Mapping[str, Any] = self._transport.json(call)
        return answer

    def demote(self, ref: str, tier: str, *, reason: str) -> DatasetVersion:
        """Take a version down to a lower tier, at once: it turned out wrong."""
        named = DatasetRef.parse(ref)
        number = named.number or self.dataset(ref).number
        path = path_of("datasets", named.name, "versions", number, "demote")
        call = Call(
            "POST", path, body=json_body({"tier": tier, "reason": reason}), repeatable=False
        )
        return DatasetVersion.from_json(self._transport.json(call), name=named.name)

    def dataset(self, ref: str) -> DatasetVersion:
        """One version of a dataset, the newest where the ref names none."""
        target = DatasetRef.parse(ref)
        if target.number is not None:
            return fetch_dataset_version(self._transport, target.name, target.number)
        path = path_of("datasets", target.name, "versions")
        newest = next(self._pages(path, {"page_size": 1}), None)
        if newest is None:
            raise UsageError(f"The dataset {target.name!r} has no version yet.")
        return fetch_dataset_version(self._transport, target.name, int(newest["number"]))

    def upload_dataset(
        self,
        table: Any,
        name: str | None = None,
        *,
        tier: str | None = None,
        classification: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> DatasetVersion:
        """Send a file (csv, csv.gz, jsonl, parquet) or a table as the next version of a dataset.

        The dataset is made where it does not exist; the same bytes again give the version that is
        there. With ``wait`` the version comes back as ready or rejected: see
        ``DatasetVersion.raise_if_rejected()``.
        """
        if name is None and not isinstance(table, str | Path):
            raise UsageError("A table without a file has no name: choose the dataset's.")
        asked = {"name": name or name_from(Path(table)), "tier": tier}
        asked["classification"] = classification
        fields = {field: text for field, text in asked.items() if text}
        with table_file(table) as path:
            version = send_dataset(self._transport, self._progress, path, fields)
        return self._wait_for_rows(version, timeout_s) if wait else version

    def download(self, ref: str, path: str | Path, *, format: str | None = None) -> Path:
        """Stream a dataset into a file: csv or parquet, by ``format`` or the file's suffix."""
        target = Path(path)
        chosen = format or target.suffix.lower().removeprefix(".")
        if chosen not in DOWNLOAD_FORMATS:
            raise UsageError(f"{target.name!r} says neither csv nor parquet: name a format.")
        with landing(target) as sink:
            self.stream_dataset(ref, sink, format=chosen)
        return target

    def stream_dataset(self, ref: str, sink: Sink, *, format: str) -> None:
        """Stream a dataset into a sink, as csv or parquet."""
        named = DatasetRef.parse(ref)
        number = named.number or self.dataset(ref).number
        path = path_of("datasets", named.name, "versions", number, "download")
        call = Call("GET", path, {"format": format}, accept="*/*")
        with self._progress.step(f"Fetching {named}", in_bytes=True) as step:
            self._transport.download(call, sink, lambda come, all_: step.reach(come, all_ or None))

    def _wait_for_rows(self, version: DatasetVersion, timeout_s: float | None) -> DatasetVersion:
        if version.is_settled:
            return version
        with self._progress.step(f"Reading {version.ref}"):
            return wait_until(
                lambda: fetch_dataset_version(self._transport, version.name, version.number),
                lambda seen: seen.is_settled,
                clock=self._transport.clock,
                timeout_s=timeout_s,
                subject=f"Reading {version.ref}",
            )
