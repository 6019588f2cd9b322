"""The chunks of a job over time: the attempts at each, who, when, how it ended, what it took."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from registry.templatetags.modelyard import exact, number
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.batch_chunk import ChunkState
from serving.models.chunk_attempt import AttemptOutcome

# A lane is so many units wide.
WIDTH = 1000.0
# An attempt that took a moment is still to be seen.
NARROWEST = 4.0
ATTEMPTS_SHOWN = 3
_TONES = {
    AttemptOutcome.DONE: "good",
    AttemptOutcome.ERROR: "bad",
    AttemptOutcome.LOST: "bad",
    AttemptOutcome.FENCED: "warn",
    AttemptOutcome.RELEASED: "warn",
}


@dataclass(frozen=True, slots=True)
class Span:
    """An attempt on its lane; ``tone`` colours it, ``label`` says the same in words."""

    x: float
    width: float
    tone: str
    label: str


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt in words; empty where nothing is known."""

    number: int
    outcome: str
    tone: str
    worker: str
    started_at: datetime | None
    took: str
    cost: str
    phases: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A chunk with its attempts, the newest last; ``earlier`` ones are not shown."""

    chunk: BatchChunk
    last_row: int
    spans: list[Span]
    tried: list[Tried]
    earlier: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes over one stretch of time, from the first attempt that is shown to the last."""

    lanes: list[Lane]
    begins: datetime | None
    ends: datetime | None


def timeline(chunks: Sequence[BatchChunk], *, attempts_shown: int = ATTEMPTS_SHOWN) -> Timeline:
    """The chunks in the order given; their attempts have to be loaded already."""
    now = timezone.now()
    tries = {chunk.pk: _tries(chunk, now) for chunk in chunks}
    times = [when for found in tries.values() for one in found for when in one[:2] if when]
    begins, ends = (min(times), max(times)) if times else (None, None)
    lanes = []
    for chunk in chunks:
        found = tries[chunk.pk]
        spans = []
        if begins and ends:
            whole_s = max((ends - begins).total_seconds(), 0.001)
            spans = [_span(one, begins, whole_s) for one in found]
        shown = [_words(one) for one in found[-attempts_shown:]]
        lanes.append(Lane(chunk, max(chunk.row_stop - 1, 0), spans, shown, len(found) - len(shown)))
    return Timeline(lanes, begins, ends)


def busy_first(job: BatchJob, most: int) -> list[BatchChunk]:
    """At most so many chunks with their attempts: those that fail or run, then the last done ones.

    They come in row order. Each question ends after a page of an index, however many there are.
    """
    rows = job.chunks.defer("summary")
    sorts = (
        rows.filter(state__in=(ChunkState.FAILED, ChunkState.LEASED)),
        rows.filter(state=ChunkState.DONE).order_by("-row_start"),
        rows.filter(state=ChunkState.PENDING).order_by("row_start"),
    )
    found: list[BatchChunk] = []
    for sort in sorts:
        if len(found) < most:
            found += sort[: most - len(found)]
    prefetch_related_objects(found, "attempts")
    return sorted(found, key=lambda chunk: chunk.row_start)


# Start, end, attempt or None for the one that goes on, chunk.
_Try = tuple[datetime | None, datetime | None, ChunkAttempt | None, BatchChunk]


def _tries(chunk: BatchChunk, now: datetime) -> list[_Try]:
    found: list[_Try] = [(a.started_at, a.ended_at, a, chunk) for a in chunk.attempts.all()]
    if chunk.state == ChunkState.LEASED:
        found.append((chunk.claimed_at, max(now, chunk.claimed_at or now), None, chunk))
    return found


def _span(one: _Try, begins: datetime, whole_s: float) -> Span:
    started, ended, attempt, _ = one
    start, end = started or ended or begins, ended or started or begins
    x = min(WIDTH * (start - begins).total_seconds() / whole_s, WIDTH - NARROWEST)
    width = max(WIDTH * (end - start).total_seconds() / whole_s, NARROWEST)
    words = _words(one)
    told = ", ".join(part for part in (words.worker, exact(start), words.took) if part)
    label = f"Attempt {words.number}, {words.outcome}: {told}"
    return Span(round(x, 1), round(min(width, WIDTH - x), 1), _tone(attempt), label)


def _words(one: _Try) -> Tried:
    started, ended, attempt, chunk = one
    took = _seconds((ended - started).total_seconds()) if started and ended else ""
    if attempt is None:
        rows = f"{number(chunk.rows_scored)} rows so far" if chunk.rows_scored else ""
        return Tried(
            chunk.attempt, "running", "busy", chunk.lease_owner, started, took, rows, "", ""
        )
    return Tried(
        attempt.attempt,
        str(attempt.outcome),
        _tone(attempt),
        attempt.worker,
        started,
        took,
        _cost(attempt),
        _phases(attempt),
        "" if attempt.outcome == AttemptOutcome.DONE else attempt.reason,
    )


def _tone(attempt: ChunkAttempt | None) -> str:
    return "busy" if attempt is None else _TONES.get(AttemptOutcome(attempt.outcome), "wait")


def _cost(attempt: ChunkAttempt) -> str:
    parts = []
    if attempt.cpu_s is not None:
        parts.append(f"{_seconds(attempt.cpu_s)} of processor")
    if attempt.max_memory_bytes is not None:
        parts.append(filesizeformat(attempt.max_memory_bytes))
    if attempt.signal is not None:
        parts.append(f"ended by {_signal(attempt.signal)}")
    return ", ".join(parts)


def _phases(attempt: ChunkAttempt) -> str:
    phases: dict[str, Any] = attempt.phases or {}
    return ", ".join(f"{name} {_seconds(took)}" for name, took in phases.items() if took >= 0.001)


def _signal(number_of_it: int) -> str:
    try:
        return signal.Signals(number_of_it).name
    except ValueError:
        return f"signal {number_of_it}"


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
