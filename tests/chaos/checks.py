"""The promises, held against what a run has left behind: every breach is one line with its job."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos import plan
from tests.chaos.seen import NO_FILE, Call, Job, Promised, Seen

SHOWN = 8
# The audit event of an end, and the event by which webhooks hear of it.
ENDS = {
    "complete": "batch-job.completed",
    "fail": "batch-job.failed",
    "cancel": "batch-job.cancelled",
}


@dataclass(frozen=True)
class Breach:
    """A promise that was not kept. ``job`` is empty where it concerns none."""

    kind: str
    text: str
    job: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" + (f" [job {self.job}]" if self.job else "")


def breaches(undisturbed: Mapping[str, Job], seen: Seen, promised: Promised) -> list[Breach]:
    """All of them; none is how it has to be. ``undisturbed``: the job of each combination."""
    found: list[Breach] = []
    known = {job.id for job in seen.jobs}
    found += [
        Breach("lost-job", "it was accepted, and is not there", job)
        for job in sorted(promised.asked - known)
    ]
    for job in seen.jobs:
        found += _of_job(job, undisturbed[job.combination], promised)
        found += _of_files(job, seen.files)
    found += _of_slots(seen, promised)
    if seen.calls is not None:
        found += _of_calls(seen.jobs, seen.calls)
    found += [Breach("scratch", f"{name} is left") for name in seen.scratch]
    return found


def _of_job(job: Job, alone: Job, promised: Promised) -> Iterator[Breach]:
    def breach(kind: str, text: str) -> Breach:
        return Breach(kind, text, job.id)

    combination = plan.BY_NAME[job.combination]
    if job.state in ("queued", "running"):
        yield breach("not-ended", f"it is {job.state}")
    elif job.state == "cancelled":
        if job.id not in promised.cancel_tried:
            yield breach("wrong-end", "cancelled by nobody")
    elif job.state != combination.ends or job.error_code != alone.error_code:
        yield breach(
            "wrong-end",
            f"{job.state} {job.error_code}, not {combination.ends} {alone.error_code}",
        )
    if job.id in promised.cancelled and job.state != "cancelled":
        yield breach("wrong-end", f"it was cancelled, and is {job.state}")
    yield from _of_attempts(job)
    yield from _of_events(job)
    if job.state == plan.WHOLE:
        yield from _of_rows(job, alone)
        yield from _of_values(job, alone)


def _of_values(job: Job, alone: Job) -> Iterator[Breach]:
    """The same files, rows, downloads and figures as in the undisturbed run."""

    def breach(text: str, kind: str = "digest") -> Breach:
        return Breach(kind, text, job.id)

    if job.content != alone.content:
        yield breach("the rows have other values than in the undisturbed run")
    if job.report != alone.report:
        yield breach("the report has other figures than in the undisturbed run", "comparison")
    if plan.BY_NAME[job.combination].narrowed:
        return
    if job.digests() != alone.digests():
        yield breach(_first_difference(job, alone))
    for format, sha256 in job.downloads.items():
        if sha256 != alone.downloads[format]:
            yield breach(f"the download as {format} has other bytes")


def _of_rows(job: Job, alone: Job) -> Iterator[Breach]:
    """Every row of the dataset came out once: among the results or among the rejects."""
    out = Counter(job.ids) + Counter(job.rejected)
    lost = [row for row in range(job.rows) if row not in out]
    doubled = [row for row, count in out.items() if count > 1]
    strange = [row for row in out if not 0 <= row < job.rows]
    for kind, rows in (("lost-rows", lost), ("doubled-rows", doubled), ("strange-rows", strange)):
        if rows:
            yield Breach(kind, f"{len(rows)}: {rows[:SHOWN]}", job.id)
    if job.ids != sorted(job.ids):
        yield Breach("order", "the rows are not in the dataset's order", job.id)
    if job.rejected != alone.rejected:
        yield Breach("rejects", "other rows were rejected", job.id)
    if job.delivered is not None:
        yield from _of_delivery(job)
    gaps = [(a.row_stop, b.row_start) for a, b in pairwise(job.chunks) if a.row_stop != b.row_start]
    ends = (job.chunks[0].row_start, job.chunks[-1].row_stop) if job.chunks else (0, 0)
    if gaps or ends != (0, job.rows):
        yield Breach("ranges", f"chunks go from {ends[0]} to {ends[1]}, gaps {gaps}", job.id)


def _of_delivery(job: Job) -> Iterator[Breach]:
    """The table of the sink has the rows of the results, each once."""
    there, wanted = Counter(job.delivered), Counter(job.ids)
    for kind, rows in (("sink-lost", wanted - there), ("sink-doubled", there - wanted)):
        if rows:
            yield Breach(kind, f"{rows.total()}: {sorted(rows)[:SHOWN]}", job.id)


def _of_attempts(job: Job) -> Iterator[Breach]:
    """Chunks at rest; attempts counted 1, 2, 3 ...; one that is done is nothing else as well."""
    for chunk in job.chunks:
        where = f"rows {chunk.row_start} to {chunk.row_stop}"
        if chunk.state == "leased":
            yield Breach("leased", f"{where} are still held by somebody", job.id)
        if job.state == plan.WHOLE and chunk.state != "done":
            yield Breach("chunk-state", f"{where} are {chunk.state}", job.id)
        outcomes: dict[int, set[str]] = defaultdict(set)
        for attempt, outcome in chunk.attempts:
            outcomes[attempt].add(outcome)
        missing = sorted(set(range(1, chunk.attempt + 1)) - outcomes.keys())
        if missing and chunk.state != "leased":
            yield Breach("attempts", f"{where}: nothing is known of {missing}", job.id)
        if strange := sorted(outcomes.keys() - set(range(1, chunk.attempt + 1))):
            yield Breach("attempts", f"{where}: {strange} of {chunk.attempt}", job.id)
        for attempt, names in outcomes.items():
            if "done" in names and len(names) > 1:
                yield Breach("fence", f"{where}: attempt {attempt} is {sorted(names)}", job.id)


def _of_events(job: Job) -> Iterator[Breach]:
    """One audit event for each state that it came to, and one output version for each run."""
    of = Counter(job.events)
    ends = of["complete"] + of["fail"] + of["cancel"]
    runs = 1 + of["retry"]
    if of["create"] != 1 or (ends != runs and job.state not in ("queued", "running")):
        yield Breach("events", f"{dict(of)}", job.id)
    if job.versions != of["complete"]:
        text = f"{job.versions} output versions of {of['complete']} completed runs"
        yield Breach("versions", text, job.id)


def _of_files(job: Job, files: Mapping[str, str]) -> Iterator[Breach]:
    """Each file that a row names is there, with the digest that the row has."""
    for chunk in job.chunks:
        named = (
            (chunk.output_name, chunk.output_sha256),
            (chunk.rejects_name, chunk.rejects_sha256),
        )
        for name, sha256 in named:
            if not name:
                continue
            if files.get(name, NO_FILE) == NO_FILE:
                yield Breach("missing-file", name, job.id)
            elif files[name] != sha256:
                yield Breach("damaged-file", name, job.id)


def _of_calls(jobs: Sequence[Job], calls: Sequence[Call]) -> Iterator[Breach]:
    """Each end of each job was told, with one id and one body however often; all were signed."""
    bodies: dict[str, set[str]] = defaultdict(set)
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call in calls:
        bodies[call.delivery].add(call.digest)
        if call.is_taken:
            told[call.job, call.event].add(call.delivery)
        if not call.is_signed:
            yield Breach("webhook-signature", f"{call.delivery} is not signed", call.job)
    for delivery, digests in bodies.items():
        if len(digests) > 1:
            yield Breach("webhook-body", f"{delivery} came with {len(digests)} bodies")
    for job in jobs:
        for action, event in ENDS.items():
            ended, heard = job.events.get(action, 0), len(told.pop((job.id, event), ()))
            if heard != ended:
                kind = "webhook-lost" if heard < ended else "webhook-doubled"
                yield Breach(kind, f"{event}: {ended} times, told of {heard}", job.id)
    for (strange, event), deliveries in told.items():
        yield Breach("webhook-strange", f"{event}: {len(deliveries)} times", strange)


def _of_slots(seen: Seen, promised: Promised) -> Iterator[Breach]:
    """Each due instant has one slot, each slot that has started a job of its own."""
    counts = Counter((slot.schedule, slot.due) for slot in seen.slots)
    for key in sorted(promised.due - counts.keys()):
        yield Breach("slots", f"{key[0]} at {key[1]} has none")
    for key in sorted(counts.keys() - promised.due - promised.maybe_due):
        yield Breach("slots", f"{key[0]} at {key[1]} was not due")
    for key, count in counts.items():
        if count > 1:
            yield Breach("slots", f"{key[0]} at {key[1]} has {count}")
    jobs = Counter(slot.job for slot in seen.slots if slot.state == "started")
    known = {job.id for job in seen.jobs}
    for job, count in jobs.items():
        if count > 1 or job not in known:
            yield Breach("slots", f"{count} slots have made it, there: {job in known}", str(job))
    for slot in seen.slots:
        if slot.state == "waiting":
            yield Breach("slots", f"{slot.schedule} at {slot.due} still waits")


def _first_difference(job: Job, alone: Job) -> str:
    mine, theirs = job.digests(), alone.digests()
    if len(mine) != len(theirs):
        return f"{len(mine)} chunks, {len(theirs)} in the undisturbed run"
    for ours, other in zip(mine, theirs, strict=True):
        if ours != other:
            return f"rows {ours[0]} to {ours[1]}: {ours[2:]}, undisturbed {other[2:]}"
    return "none"
