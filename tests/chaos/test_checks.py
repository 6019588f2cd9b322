"""The checks of a chaos run can fail: each promise, broken by hand, is found out."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from django.db.models.functions import Now

from registry import storage
from registry.principals import Principal
from serving.actions import scoring
from serving.actions.drive import drive
from serving.models import BatchChunk, BatchJob
from tests.chaos import plan
from tests.chaos.checks import breaches
from tests.chaos.reading import Reader
from tests.chaos.seen import NO_FILE, Call, Chunk, Job, Promised, Seen, Slot
from tests.serving.batch import ledger

KIND = plan.BY_NAME["swift-small"]
DUE = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_chunk(start: int, stop: int) -> Chunk:
    rejects = (f"b{start}", f"bad{start}") if start <= 7 < stop else ("", "")
    attempts = [(1, "lost"), (2, "done")]
    return Chunk(start, stop, "done", 2, f"r{start}", f"sum{start}", *rejects, attempts=attempts)


def a_job(name: str) -> Job:
    """Thirty rows in three chunks, one of the rows rejected."""
    return Job(
        id=name,
        combination=KIND.name,
        state=plan.WHOLE,
        error_code="",
        rows=30,
        chunks=[a_chunk(0, 10), a_chunk(10, 20), a_chunk(20, 30)],
        ids=[row for row in range(30) if row != 7],
        rejected=[7],
        content="values",
        versions=1,
        events={"create": 1, "start": 1, "complete": 1},
        report="agreement 0.9",
        downloads={"csv": "csv-sum", "parquet": "parquet-sum"},
    )


def a_call(job: str) -> Call:
    """What is heard of a job that has completed."""
    return Call(f"delivery-{job}", "batch-job.completed", job, True, f"body-{job}", True)


def all_well() -> tuple[Seen, Promised]:
    """Two jobs, the second one's made by a schedule."""
    jobs = [a_job("one"), a_job("two")]
    files = {}
    for job in jobs:
        for chunk in job.chunks:
            files[chunk.output_name] = chunk.output_sha256
            if chunk.rejects_name:
                files[chunk.rejects_name] = chunk.rejects_sha256
    slots = [Slot("nightly", DUE, "started", "two")]
    promised = Promised({"one"}, set(), set(), {("nightly", DUE)}, set())
    calls = [a_call(job.id) for job in jobs]
    # The answer to the first was not heard, so it came again.
    return Seen(jobs, files, slots, calls=[calls[0], *calls]), promised


def kinds_of(seen: Seen, promised: Promised) -> list[str]:
    return [breach.kind for breach in breaches({KIND.name: a_job("alone")}, seen, promised)]


def lose_a_row(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].ids.remove(12)


def double_a_row(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].ids.insert(12, seen.jobs[0].ids[12])


def reject_and_score_a_row(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].ids.insert(7, 7)


def bring_a_strange_row(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].ids.append(30)


def swap_two_rows(seen: Seen, promised: Promised) -> None:
    ids = seen.jobs[0].ids
    ids[3], ids[4] = ids[4], ids[3]


def reject_another_row(seen: Seen, promised: Promised) -> None:
    job = seen.jobs[0]
    job.rejected, job.ids = [8], [row for row in range(30) if row != 8]


def change_a_digest(seen: Seen, promised: Promised) -> None:
    chunk = seen.jobs[0].chunks[1]
    chunk.output_sha256 = seen.files[chunk.output_name] = "other"


def change_a_value(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].content = "others"


def change_a_download(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].downloads["csv"] = "other"


def leave_a_lease(seen: Seen, promised: Promised) -> None:
    job = seen.jobs[0]
    job.state, job.versions, job.events = "cancelled", 0, {"create": 1, "cancel": 1}
    job.chunks[1] = replace(job.chunks[1], state="leased", attempt=3)
    promised.cancel_tried.add("one")


def leave_a_chunk_undone(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].chunks[1].state = "pending"


def leave_a_gap_between_chunks(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].chunks[1].row_start = 11


def remove_a_file(seen: Seen, promised: Promised) -> None:
    seen.files["r10"] = NO_FILE


def damage_a_file(seen: Seen, promised: Promised) -> None:
    seen.files["b0"] = "other"


def forget_an_attempt(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].chunks[0].attempts.pop(0)


def let_a_loser_win(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].chunks[0].attempts.append((2, "fenced"))


def lose_a_job(seen: Seen, promised: Promised) -> None:
    promised.asked.add("three")


def never_end(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].state, seen.jobs[0].versions = "running", 1


def fail_a_healthy_job(seen: Seen, promised: Promised) -> None:
    job = seen.jobs[0]
    job.state, job.error_code, job.versions = "failed", "worker-lost", 0
    job.events = {"create": 1, "fail": 1}


def cancel_by_nobody(seen: Seen, promised: Promised) -> None:
    job = seen.jobs[0]
    job.state, job.versions, job.events = "cancelled", 0, {"create": 1, "cancel": 1}


def go_on_after_a_cancel(seen: Seen, promised: Promised) -> None:
    promised.cancel_tried.add("one")
    promised.cancelled.add("one")


def make_a_second_output(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].versions = 2


def end_twice(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].events["fail"] = 1


def lose_a_slot(seen: Seen, promised: Promised) -> None:
    promised.due.add(("nightly", DUE + timedelta(days=1)))


def double_a_slot(seen: Seen, promised: Promised) -> None:
    seen.jobs.append(a_job("four"))
    seen.slots.append(Slot("nightly", DUE, "started", "four"))


def run_when_nothing_is_due(seen: Seen, promised: Promised) -> None:
    seen.slots.append(Slot("nightly", DUE + timedelta(hours=1), "skipped", None))


def share_a_job(seen: Seen, promised: Promised) -> None:
    promised.maybe_due.add(("nightly", DUE + timedelta(days=1)))
    seen.slots.append(Slot("nightly", DUE + timedelta(days=1), "started", "two"))


def leave_a_slot_waiting(seen: Seen, promised: Promised) -> None:
    seen.slots[0] = Slot("nightly", DUE, "waiting", None)


def deliver_a_row_twice(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].delivered = [*seen.jobs[0].ids, 12]


def deliver_all_but_a_row(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].delivered = seen.jobs[0].ids[1:]


def leave_a_scratch_file(seen: Seen, promised: Promised) -> None:
    seen.scratch.append("/home/tmp/abc.parquet")


def compare_other_rows(seen: Seen, promised: Promised) -> None:
    seen.jobs[0].report = "agreement 0.8"


def calls_of(seen: Seen) -> list[Call]:
    assert seen.calls is not None
    return seen.calls


def tell_nobody(seen: Seen, promised: Promised) -> None:
    calls_of(seen).pop()


def refuse_to_hear(seen: Seen, promised: Promised) -> None:
    calls_of(seen)[-1].is_taken = False


def tell_of_an_end_twice(seen: Seen, promised: Promised) -> None:
    calls_of(seen).append(replace(a_call("one"), delivery="another"))


def tell_of_another_end(seen: Seen, promised: Promised) -> None:
    calls_of(seen).append(replace(a_call("one"), event="batch-job.failed"))


def tell_of_a_strange_job(seen: Seen, promised: Promised) -> None:
    calls_of(seen).append(a_call("nine"))


def sign_wrongly(seen: Seen, promised: Promised) -> None:
    calls_of(seen)[0].is_signed = False


def change_a_body(seen: Seen, promised: Promised) -> None:
    calls_of(seen).append(replace(a_call("one"), digest="other"))


BROKEN: dict[Callable[[Seen, Promised], None], str] = {
    lose_a_row: "lost-rows",
    double_a_row: "doubled-rows",
    reject_and_score_a_row: "doubled-rows",
    bring_a_strange_row: "strange-rows",
    swap_two_rows: "order",
    reject_another_row: "rejects",
    change_a_digest: "digest",
    change_a_value: "digest",
    change_a_download: "digest",
    leave_a_lease: "leased",
    leave_a_chunk_undone: "chunk-state",
    leave_a_gap_between_chunks: "ranges",
    remove_a_file: "missing-file",
    damage_a_file: "damaged-file",
    forget_an_attempt: "attempts",
    let_a_loser_win: "fence",
    lose_a_job: "lost-job",
    never_end: "not-ended",
    fail_a_healthy_job: "wrong-end",
    cancel_by_nobody: "wrong-end",
    go_on_after_a_cancel: "wrong-end",
    make_a_second_output: "versions",
    end_twice: "events",
    lose_a_slot: "slots",
    double_a_slot: "slots",
    run_when_nothing_is_due: "slots",
    share_a_job: "slots",
    leave_a_slot_waiting: "slots",
    deliver_a_row_twice: "sink-doubled",
    deliver_all_but_a_row: "sink-lost",
    leave_a_scratch_file: "scratch",
    compare_other_rows: "comparison",
    tell_nobody: "webhook-lost",
    refuse_to_hear: "webhook-lost",
    tell_of_an_end_twice: "webhook-doubled",
    tell_of_another_end: "webhook-doubled",
    tell_of_a_strange_job: "webhook-strange",
    sign_wrongly: "webhook-signature",
    change_a_body: "webhook-body",
}


def test_a_run_in_which_all_went_well_breaks_no_promise() -> None:
    assert kinds_of(*all_well()) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_promise_is_found(broken: Callable[[Seen, Promised], None]) -> None:
    seen, promised = all_well()
    broken(seen, promised)
    assert BROKEN[broken] in kinds_of(seen, promised)


def test_each_breach_names_its_job_and_what_was_seen() -> None:
    seen, promised = all_well()
    lose_a_row(seen, promised)
    found = breaches({KIND.name: a_job("alone")}, seen, promised)
    assert [str(breach) for breach in found] == ["lost-rows: 1: [12] [job one]"]


# --- the same against a real ledger and real files ----------------------------------------------

COLUMNS = [{"name": "id", "type": "int64", "nullable": False}, *ledger.COLUMNS[1:]]


@pytest.fixture
def jobs(db: None, monkeypatch: pytest.MonkeyPatch) -> tuple[BatchJob, BatchJob]:
    """Two jobs of one kind that have ended; the first stands for the undisturbed run."""
    host = ledger.ObedientHost()
    monkeypatch.setattr(scoring, "host", lambda: host)
    ana = ledger.person("ana")
    ledger.ready_version(ana, KIND.model)
    rows = plan.DATASETS[KIND.dataset]
    ages = [None if plan.is_bad(row) else 20 + row % 50 for row in range(rows)]
    table = pa.table(
        {"id": range(rows), "age": pa.array(ages, pa.int64()), "city": ["Rome"] * rows}
    )
    ledger.dataset_of(ana, table, KIND.dataset, columns=COLUMNS)
    return _ended(ana), _ended(ana)


def _ended(by: Principal) -> BatchJob:
    job = ledger.ask(by, **KIND.asked())
    drive(owner="somebody")
    job.refresh_from_db()
    assert job.state == KIND.ends
    return job


def _found(alone: BatchJob, *homes: Path) -> list[str]:
    reader = Reader()
    undisturbed = {KIND.name: deepcopy(reader.job(alone))}
    return [breach.kind for breach in breaches(undisturbed, Reader().everything(homes), PROMISED)]


PROMISED = Promised(set(), set(), set(), set(), set())


def test_a_real_ledger_keeps_its_promises(jobs: tuple[BatchJob, BatchJob], tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "left.parquet").touch()
    assert _found(jobs[0], tmp_path) == []


def test_a_file_that_is_gone_is_missed_and_so_are_its_rows(
    jobs: tuple[BatchJob, BatchJob],
) -> None:
    storage.remove(_third_chunk(jobs[1]).output_name)
    assert {"missing-file", "lost-rows"} <= set(_found(jobs[0]))


def test_a_file_of_another_chunk_is_no_substitute(jobs: tuple[BatchJob, BatchJob]) -> None:
    chunk, other = _third_chunk(jobs[1]), jobs[1].chunks.in_row_order()[3]
    BatchChunk.objects.filter(pk=chunk.pk).update(output_name=other.output_name)
    assert {"damaged-file", "lost-rows", "doubled-rows"} <= set(_found(jobs[0]))


def test_a_chunk_that_somebody_still_holds_is_found(jobs: tuple[BatchJob, BatchJob]) -> None:
    held = {"state": "leased", "attempt": 2, "lease_until": Now()}
    BatchChunk.objects.filter(pk=_third_chunk(jobs[1]).pk).update(**held)
    assert "leased" in _found(jobs[0])


def _third_chunk(job: BatchJob) -> BatchChunk:
    return job.chunks.in_row_order()[2]
