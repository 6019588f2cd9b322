"""What a run has left behind, as plain values: read once, then only compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

NO_FILE = "no such file"


@dataclass
class Chunk:
    """A row range as the ledger has it; ``attempts`` are (attempt, outcome), in that order."""

    row_start: int
    row_stop: int
    state: str
    attempt: int
    output_name: str
    output_sha256: str
    rejects_name: str
    rejects_sha256: str
    attempts: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Job:
    """One job and its files' contents.

    ``ids`` and ``rejected`` are what stands in the files, in the order of the rows;
    ``content`` is the digest of all results as one table; ``versions`` counts the versions of its
    output; ``events`` its audit events by action; ``delivered`` are the ids in its sink's table,
    None without one; ``report`` is the comparison of two versions as text, empty without one.
    """

    id: str
    combination: str
    state: str
    error_code: str
    rows: int
    chunks: list[Chunk]
    ids: list[int]
    rejected: list[int]
    content: str
    versions: int
    events: dict[str, int]
    downloads: dict[str, str] = field(default_factory=dict)
    delivered: list[int] | None = None
    report: str = ""

    def digests(self) -> list[tuple[int, int, str, str]]:
        """Of each chunk, in row order."""
        return [(c.row_start, c.row_stop, c.output_sha256, c.rejects_sha256) for c in self.chunks]


@dataclass
class Slot:
    """A due instant of a schedule and the job that it has made."""

    schedule: str
    due: datetime
    state: str
    job: str | None


@dataclass
class Call:
    """One call of a webhook. ``is_taken``: the receiver has noted what it says."""

    delivery: str
    event: str
    job: str
    is_signed: bool
    digest: str
    is_taken: bool


@dataclass
class Seen:
    """Everything. ``files`` maps each name that a row holds to the digest of the bytes there.

    ``calls`` are those that the receiver of webhooks has had, None where nobody listened.
    """

    jobs: list[Job]
    files: dict[str, str]
    slots: list[Slot]
    scratch: list[str] = field(default_factory=list)
    calls: list[Call] | None = None


@dataclass
class Promised:
    """What was acknowledged to whoever asked, and when the schedules ran.

    ``due``: (schedule, instant) that must have a slot; ``maybe_due``: those that may have one.
    """

    asked: set[str]
    cancel_tried: set[str]
    cancelled: set[str]
    due: set[tuple[str, datetime]]
    maybe_due: set[tuple[str, datetime]]
