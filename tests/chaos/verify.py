"""Program: reads what a chaos run has left behind, in a process that took no part in it.

    python -m tests.chaos.verify FOLDER

Reads ``FOLDER/promised.json``, writes what it finds as JSON lines to standard output: one for each
breach, and one with the figures of the run.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import django


def main(folder: Path) -> None:
    """Look and tell."""
    django.setup()
    from tests.chaos.checks import breaches
    from tests.chaos.reading import Reader
    from tests.chaos.seen import Call, Promised

    told = json.loads((folder / "promised.json").read_text())
    promised = Promised(
        asked=set(told["asked"]),
        cancel_tried=set(told["cancel_tried"]),
        cancelled=set(told["cancelled"]),
        due=_dues(told["due"]),
        maybe_due=_dues(told["maybe_due"]),
    )
    seen = Reader(told["warehouse"]).everything(homes=[Path(home) for home in told["homes"]])
    seen.calls = [Call(**call) for call in told["calls"]]
    alone = {job.combination: job for job in seen.jobs if job.id in set(told["undisturbed"])}
    for breach in breaches(alone, seen, promised):
        line = {"breach": str(breach), "kind": breach.kind, "job": breach.job}
        _write(line | {"attempts": attempts_of(breach.job) if breach.job else []})
    found = figures(set(told["undisturbed"]), [tuple(h) for h in told["held"]])
    found["calls"] = len(seen.calls)
    found["deliveries"] = len({call.delivery for call in seen.calls})
    _write({"figures": found})


def attempts_of(job: str) -> list[str]:
    """Each attempt at the job's chunks, as a line."""
    from serving.models import ChunkAttempt

    rows = ChunkAttempt.objects.filter(chunk__job=job).order_by("ended_at")
    return [
        f"{a.started_at:%H:%M:%S.%f} to {a.ended_at:%H:%M:%S.%f} chunk {a.chunk_id}"
        f" attempt {a.attempt} {a.worker}: {a.outcome} {a.reason}"
        for a in rows
    ]


def figures(undisturbed: set[str], held: list[tuple[int, int]]) -> dict[str, Any]:
    """What a run is described by; the undisturbed jobs do not count."""
    from django.db.models import Count, Sum

    from serving.models import BatchChunk, BatchJob, ChunkAttempt

    jobs = BatchJob.objects.exclude(pk__in=undisturbed)
    chunks = BatchChunk.objects.filter(job__in=jobs, state="done")
    attempts = ChunkAttempt.objects.filter(chunk__job__in=jobs)
    outcomes = dict(attempts.order_by().values_list("outcome").annotate(n=Count("pk")))
    paused = [set(_outcomes(chunk, attempt)) for chunk, attempt in held]
    return {
        "jobs": dict(jobs.order_by().values_list("state").annotate(n=Count("pk"))),
        "rows": jobs.aggregate(rows=Sum("rows_done"))["rows"] or 0,
        "chunks": chunks.count(),
        "outcomes": outcomes,
        "held": len(held),
        "fenced": sum("fenced" in outcomes for outcomes in paused),
        "paused": sorted("+".join(sorted(outcomes)) for outcomes in paused),
        "stood_still_s": round(stood_still_s(undisturbed), 1),
    }


def stood_still_s(undisturbed: set[str]) -> float:
    """The longest time in which jobs were there and no chunk of any was done."""
    from serving.models import BatchJob, ChunkAttempt

    jobs = BatchJob.objects.exclude(pk__in=undisturbed).exclude(finished_at=None)
    spans = sorted(jobs.values_list("created_at", "finished_at"))
    rows = ChunkAttempt.objects.exclude(chunk__job__in=undisturbed).filter(outcome="done")
    done = sorted(rows.values_list("ended_at", flat=True))
    longest = 0.0
    for begun, ended in _merged(spans):
        marks = [begun, *(at for at in done if begun < at < ended), ended]
        gaps = [(b - a).total_seconds() for a, b in pairwise(marks)]
        longest = max([longest, *gaps])
    return longest


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The times in which at least one of the spans goes on."""
    merged: list[tuple[datetime, datetime]] = []
    for begun, ended in spans:
        if merged and begun <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ended, merged[-1][1]))
        else:
            merged.append((begun, ended))
    return merged


def _outcomes(chunk: int, attempt: int) -> list[str]:
    from serving.models import ChunkAttempt

    rows = ChunkAttempt.objects.filter(chunk=chunk, attempt=attempt)
    return list(rows.values_list("outcome", flat=True))


def _dues(pairs: list[tuple[str, str]]) -> set[tuple[str, datetime]]:
    return {(name, datetime.fromisoformat(at)) for name, at in pairs}


def _write(line: dict[str, Any]) -> None:
    print(json.dumps(line, default=str), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
