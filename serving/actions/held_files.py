"""Which files the ledger holds: results and rejects of chunks."""

from __future__ import annotations

from collections.abc import Iterator

from registry.actions import held_files
from registry.actions.held_files import Holder, Row
from serving.models.job_states import JobState


def _of_chunk(row: Row) -> Iterator[str]:
    """Of a cancelled job the rejects only; nothing where retention has erased the results."""
    if row.get("job__output__erased_at") is None:
        if row["output_name"] and row["job__state"] != JobState.CANCELLED:
            yield row["output_name"]
        if row["rejects_name"]:
            yield row["rejects_name"]


CHUNKS = Holder(
    "serving.BatchChunk",
    ("output_name", "rejects_name", "job__state", "job__output__erased_at"),
    _of_chunk,
)


def connect() -> None:
    """Make it known; called once when the application starts."""
    if CHUNKS not in held_files.HOLDERS:
        held_files.HOLDERS.append(CHUNKS)
