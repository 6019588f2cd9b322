"""What goes wrong while a chunk is scored, and what becomes of chunk and job."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import DataError, OperationalError
from django.db.models.functions import Now

from registry import storage
from registry.errors import StorageAway, StorageFull
from registry.principals import Principal
from serving.actions import batch_jobs, chunks, commits
from serving.actions import drive as drive_module
from serving.actions.chunk_ends import split_chunk
from serving.actions.claims import claim_next, note_death, reap_expired
from serving.actions.commits import commit_chunk
from serving.actions.drive import drive, work_on
from serving.actions.sweep import sweep_orphans
from serving.batch import failpoints
from serving.batch.pace import MAX_FAILURES, MAX_LOSSES, PACE
from serving.batch.ranges import RowRange
from serving.batch.stop_sign import StopSign
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.clock import database_now
from serving.runtimes.isolation.errors import HostUnavailable, ModelNotLoaded, ModelSuspended
from serving.tasks import lost_workers, name_of
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_failpoint_stays_armed() -> Iterator[None]:
    yield
    failpoints.arm(None)


def end_backoff() -> None:
    """As if the wait were over."""
    BatchChunk.objects.update(not_before=None)
    BatchJob.objects.update(paused_until=None)


def run_to_end(job: BatchJob) -> BatchJob:
    """Drive, skipping every wait, until the job has ended."""
    for _ in range(60):
        drive(owner="w1")
        job.refresh_from_db()
        if not job.is_active:
            return job
        end_backoff()
    raise AssertionError(f"still {job.state}")


def outcomes() -> list[str]:
    return list(ChunkAttempt.objects.order_by("id").values_list("outcome", flat=True))


def raising(error: Exception) -> Any:
    def before() -> None:
        raise error

    return before


def test_an_error_is_tried_again_after_a_backoff(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    host.before = raising(RuntimeError("never told"))
    assert drive(owner="w1") == 1
    chunk = job.chunks.get()
    assert (chunk.state, chunk.failures) == ("pending", 1)
    assert job.chunks.filter(not_before__gt=Now() + timedelta(seconds=3)).exists()
    assert "never told" not in chunk.reason
    assert drive(owner="w1") == 0


def test_the_third_error_fails_chunk_and_job(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    host.before = raising(RuntimeError("never told"))
    job = run_to_end(ask(ana))
    assert job.state == "failed"
    assert job.error == {
        "code": "internal",
        "detail": "The worker failed on the rows from 0 on (RuntimeError).",
    }
    assert job.chunks.get().state == "failed"
    assert outcomes() == ["error"] * MAX_FAILURES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("was_carried_out", ["never", "at once", "late"])
def test_a_commit_whose_session_was_ended_counts_once(
    ana: Principal,
    host: ObedientHost,
    monkeypatch: pytest.MonkeyPatch,
    was_carried_out: str,
) -> None:
    """Nobody heard whether it was carried out; the files of a chunk that is done stay."""
    tries: list[int] = []

    def commit(chunk: BatchChunk, result: Any) -> bool:
        tries.append(chunk.attempt)
        if len(tries) > 1:
            return commit_chunk(chunk, result)
        if was_carried_out == "at once":
            commit_chunk(chunk, result)
        raise OperationalError("terminating connection due to administrator command")

    def look(chunk: BatchChunk, result: Any) -> bool:
        found = commits.is_committed(chunk, result)
        if was_carried_out == "late" and len(tries) == 1:
            commit_chunk(chunk, result)  # the server comes to it after we have looked
        return found

    monkeypatch.setattr(drive_module, "commit_chunk", commit)
    monkeypatch.setattr(drive_module, "is_committed", look)
    dataset_of(ana, people_rows(10))
    job = run_to_end(ask(ana))

    assert (job.state, job.rows_done) == ("completed", 10)
    assert outcomes() == ["done"]
    assert tries == ([1] if was_carried_out == "at once" else [1, 1])
    with storage.open_named(job.chunks.get().output_name) as file:
        assert file.read(4) == b"PAR1"


def test_what_the_database_will_not_keep_is_a_failure_like_others(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(10))

    def commit(chunk: BatchChunk, result: Any) -> bool:
        raise DataError("unsupported Unicode escape sequence")

    monkeypatch.setattr(drive_module, "commit_chunk", commit)
    job = run_to_end(ask(ana))

    assert (job.state, job.error["code"]) == ("failed", "internal")
    assert outcomes() == ["error"] * MAX_FAILURES


def test_a_chunk_that_recovers_is_done(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(10)
    dataset_of(ana, rows)
    job = ask(ana)
    host.before = raising(RuntimeError())
    drive(owner="w1")
    host.before = lambda: None
    run_to_end(job)
    assert job.state == "completed"
    assert ledger.results(job).num_rows == 10
    assert outcomes() == ["error", "done"]


def test_no_space_pauses_the_job_and_it_goes_on_by_itself(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    with monkeypatch.context() as full:
        full.setattr(storage, "put_file", raising_call(StorageFull("No space.")))
        drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("running", "storage-full")
    assert job.chunks.get().failures == 0
    run_to_end(job)
    assert (job.state, job.paused_reason) == ("completed", "")


def test_no_space_for_the_temporary_file_pauses_too(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    no_space = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as full:
        full.setattr(chunks.PartWriter, "close", raising_call(no_space))
        drive(owner="w1")
    job.refresh_from_db()
    assert job.paused_reason == "storage-full"


def test_a_job_whose_storage_is_away_waits_and_goes_on_by_itself(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    with monkeypatch.context() as away:
        away.setattr(storage, "put_file", raising_call(StorageAway("No answer.")))
        for _ in range(MAX_FAILURES + 2):
            assert drive(owner="w1") == 1, "the next chunk would fare no better"
            assert drive(owner="w2") == 0, "nobody scores for nothing"
            end_backoff()
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("running", "storage-unavailable")
    assert not job.chunks.filter(failures__gt=0).exists()
    run_to_end(job)
    assert (job.state, job.paused_reason, job.paused_until) == ("completed", "", None)
    assert ledger.results(job).num_rows == 20


def test_waits_for_what_is_away_grow_to_a_minute(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    monkeypatch.setattr(storage, "put_file", raising_call(StorageAway("No answer.")))
    waits = []
    for _ in range(6):
        drive(owner="w1")
        job.refresh_from_db()
        waits.append(round((job.paused_until - database_now()).total_seconds()))
        end_backoff()
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_job_that_ends_while_it_waits_no_longer_says_why(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    host.before = raising(HostUnavailable("away"))
    drive(owner="w1")
    job.refresh_from_db()
    assert job.paused_words.startswith("The model host does not answer")
    batch_jobs.cancel_job(by=ana, job=job)
    job.refresh_from_db()
    assert (job.paused_reason, job.paused_until, job.paused_words) == ("", None, "")


def raising_call(error: Exception) -> Any:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "error", [HostUnavailable("away"), ModelSuspended("often", retry_after_s=60)]
)
def test_an_absent_model_is_waited_for_without_end(
    ana: Principal, host: ObedientHost, error: Exception
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    host.before = raising(error)
    for _ in range(MAX_FAILURES + 2):
        assert drive(owner="w1") == 1
        end_backoff()
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("running", "model-unavailable")
    host.before = lambda: None
    assert run_to_end(job).state == "completed"


def test_a_row_that_kills_the_model_is_named_and_the_others_are_scored(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(100)
    dataset_of(ana, rows)
    host.poison = {33}
    job = run_to_end(ask(ana))
    assert (job.state, job.rows_rejected) == ("completed_with_rejects", 2)
    assert ledger.rejects(job) == [
        {"row": 13, "id": "p13", "column": None, "code": "model-failed", "received": None},
        {"row": 63, "id": "p63", "column": None, "code": "model-failed", "received": None},
    ]
    expected = [row for row in ledger.expected_results(rows) if row["age"] != 33]
    assert ledger.results(job).to_pylist() == expected


def test_a_chunk_of_which_two_workers_have_died_is_scored_in_the_model_host(
    ana: Principal, host: ObedientHost
) -> None:
    """A row on which the compiled graph crashes takes the worker with it, until here."""
    rows = people_rows(100)
    dataset_of(ana, rows)
    job = ask(ana)
    host.poison = {33}
    for is_guarded in (False, True):
        claim_next(owner="dead", pace=PACE)
        note_death("dead", 11)
        end_backoff()
        assert job.chunks.get().is_guarded == is_guarded

    assert drive(owner="alive") == 1, "it is searched at once: twice was enough"

    job.refresh_from_db()
    assert (job.state, job.rows_rejected) == ("completed_with_rejects", 2)
    assert [line["row"] for line in ledger.rejects(job)] == [13, 63]
    expected = [row for row in ledger.expected_results(rows) if row["age"] != 33]
    assert ledger.results(job).to_pylist() == expected


def test_pieces_of_a_guarded_chunk_are_guarded(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    for _ in range(2):
        claim_next(owner="dead", pace=PACE)
        note_death("dead", 11)
        end_backoff()
    held = claim_next(owner="w1", pace=PACE)
    split_chunk(held, [RowRange(0, 5), RowRange(5, 10)], reason="Too slow.")
    assert list(job.chunks.values_list("is_guarded", flat=True)) == [True, True]


def test_a_row_that_kills_the_model_fails_a_job_that_takes_none(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(40))
    host.poison = {33}
    job = run_to_end(ask(ana, on_row_error="fail"))
    assert job.state == "failed"
    assert job.error["errors"] == [{"row": 13, "column": None, "code": "model-failed"}]


def test_a_model_that_fails_on_every_row_fails_the_job(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(300))
    host.poison = set(range(200))
    job = run_to_end(ask(ana))
    assert (job.state, job.error["code"]) == ("failed", "model-failed")


def test_a_model_that_does_not_load_is_not_searched_by_rows(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(300))
    host.before = raising(ModelNotLoaded("The model does not load here."))
    job = run_to_end(ask(ana))
    assert (job.state, job.error["code"]) == ("failed", "model-failed")
    assert len(host.calls) == MAX_FAILURES


def test_a_suspended_model_keeps_what_the_search_has_found(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(100)
    dataset_of(ana, rows)
    host.poison = {33}
    job = ask(ana)
    deaths = 0

    def suspend_after_five_deaths() -> None:
        nonlocal deaths
        deaths += 1
        if deaths % 5 == 0:
            raise ModelSuspended("Died too often.", retry_after_s=60)

    host.before = suspend_after_five_deaths
    run_to_end(job)
    assert (job.state, job.rows_rejected) == ("completed_with_rejects", 2)
    expected = [row for row in ledger.expected_results(rows) if row["age"] != 33]
    assert ledger.results(job).to_pylist() == expected
    assert [line["row"] for line in ledger.rejects(job)] == [13, 63]
    assert "narrowed" in outcomes()


def test_a_chunk_that_is_too_slow_is_split(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(800)
    dataset_of(ana, rows)
    job = ask(ana)
    chunk = claim_next(owner="w1", pace=PACE)
    work_on(chunk, pace=replace(PACE, chunk_s=0.0))
    ranges = job.chunks.in_row_order().values_list("row_start", "row_stop")
    assert list(ranges) == [(start, start + 100) for start in range(0, 800, 100)]
    run_to_end(job)
    assert job.state == "completed"
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))


def test_a_lost_lease_is_given_to_another_worker(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    lost = claim_next(owner="dead", pace=PACE)
    assert reap_expired(pace=PACE) == 0
    BatchChunk.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert reap_expired(pace=PACE) == 1
    chunk = job.chunks.get()
    assert (chunk.state, chunk.losses, chunk.failures) == ("pending", 1, 0)
    end_backoff()
    drive(owner="alive")
    job.refresh_from_db()
    assert job.state == "completed"
    records = ChunkAttempt.objects.order_by("id").values_list("attempt", "worker", "outcome")
    assert list(records) == [(lost.attempt, "dead", "lost"), (2, "alive", "done")]


def test_what_a_dead_process_held_is_free_at_once(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    lost, other = (claim_next(owner=f"here:{pid}", pace=PACE) for pid in (7, 8))

    assert note_death("here:7", 9) == 1
    assert note_death("here:7", 9) == 0

    taken = claim_next(owner="here:9", pace=PACE)
    assert (taken.pk, taken.attempt, taken.losses) == (lost.pk, 2, 1)
    assert job.chunks.get(pk=other.pk).state == "leased"
    ended = ChunkAttempt.objects.get()
    assert (ended.worker, ended.outcome, ended.signal) == ("here:7", "lost", 9)
    assert (ended.cpu_s, ended.max_memory_bytes, ended.phases) == (None, None, None)


def test_an_attempt_says_what_it_took(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(10))
    ask(ana)
    drive(owner="w1")
    ended = ChunkAttempt.objects.get()
    assert ended.rows == 10
    assert ended.cpu_s > 0
    assert {"read", "validate", "score", "write", "store"} <= set(ended.phases)
    assert ended.signal is None
    assert ended.max_memory_bytes is None or ended.max_memory_bytes > 1 << 20


def test_a_heartbeat_says_how_far_the_attempt_has_come(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    first = claim_next(owner="w1", pace=PACE)
    assert BatchChunk.objects.extend(first, lease_s=30, rows_scored=6)
    assert job.chunks.get().rows_scored == 6
    note_death("w1", None)
    again = claim_next(owner="w2", pace=PACE)
    assert again.rows_scored == 0
    work_on(again)
    assert job.chunks.get().rows_scored == 10


def test_the_first_bad_row_of_the_dataset_is_named_whichever_is_met_first(
    ana: Principal, host: ObedientHost
) -> None:
    ages = pa.array([None if i in (15, 17, 24) else 30 for i in range(50)], pa.int64())
    dataset_of(ana, people_rows(50).set_column(1, "age", ages))
    job = ask(ana, chunk_rows=10, on_row_error="fail")
    first, second, third, fourth = (claim_next(owner="w1", pace=PACE) for _ in range(4))

    work_on(third)
    job.refresh_from_db()
    assert (job.state, job.error["errors"][0]["row"]) == ("running", 24)
    assert claim_next(owner="w2", pace=PACE) is None, "no later rows are of use"
    work_on(fourth)
    work_on(second)
    assert BatchJob.objects.get().state == "running"
    work_on(first)

    job.refresh_from_db()
    assert (job.state, job.error["errors"][0]["row"]) == ("failed", 15)
    assert (job.chunks_total, job.chunks_done, job.chunks_failed) == (5, 1, 4)
    assert outcomes() == ["error", "fenced", "error", "done"]

    job = batch_jobs.retry_job(by=ana, job=job)
    assert run_to_end(job).error["errors"][0]["row"] == 15


def test_a_job_that_would_fail_may_be_cancelled(ana: Principal, host: ObedientHost) -> None:
    ages = pa.array([None if i == 15 else 30 for i in range(20)], pa.int64())
    dataset_of(ana, people_rows(20).set_column(1, "age", ages))
    job = ask(ana, chunk_rows=10, on_row_error="fail")
    first, second = (claim_next(owner="w1", pace=PACE) for _ in range(2))
    work_on(second)
    job = batch_jobs.cancel_job(by=ana, job=job)
    work_on(first)
    job.refresh_from_db()
    assert (job.state, job.error) == ("cancelled", None)


def test_results_of_a_cancelled_job_are_swept(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    work_on(claim_next(owner="w1", pace=PACE))
    name = job.chunks.in_row_order().first().output_name
    assert storage.exists(name)
    batch_jobs.cancel_job(by=ana, job=job)

    assert sweep_orphans() == 0
    assert sweep_orphans(older_than=timedelta(0)) == 1

    assert not storage.exists(name)


def test_jobs_to_which_nothing_happened_are_not_looked_at(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(20))
    run_to_end(ask(ana, chunk_rows=10))
    monkeypatch.setattr(storage, "listed", raising_call(AssertionError("was listed")))
    assert sweep_orphans(older_than=timedelta(0)) == 0


def test_a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    sign = StopSign()
    host.before = sign.put_up  # while it scores the first chunk

    assert drive(owner="w1", is_stopping=sign) == 1, "a chunk that ends in time is committed"
    assert drive(owner="w1", is_stopping=sign) == 0, "no other one is begun"

    chunk = claim_next(owner="w1", pace=PACE)
    assert work_on(chunk, pace=replace(PACE, grace_s=0), is_stopping=sign)
    assert list(job.chunks.in_row_order().values_list("state", flat=True)) == ["done", "pending"]
    assert outcomes() == ["done", "released"]
    assert run_to_end(job).state == "completed"


def test_children_see_the_sign_that_their_parent_puts_up() -> None:
    sign = StopSign()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.read(reader, 1)
        os._exit(7 if sign() else 1)
    sign.put_up()
    os.write(writer, b"x")
    _, status = os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    assert os.waitstatus_to_exitcode(status) == 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("said", "signal"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", 9),
        ("Worker exited prematurely: exitcode 1 Job: 3.", None),
    ],
)
def test_the_main_process_notes_with_what_signal_its_child_died(
    transactional_ana: Principal, host: ObedientHost, said: str, signal: int | None
) -> None:
    dataset_of(transactional_ana, people_rows(10))
    ask(transactional_ana)
    claim_next(owner=name_of(4711), pace=PACE)
    lost_workers.note_lost(4711, said)
    ended = ChunkAttempt.objects.get()
    assert (ended.outcome, ended.signal) == ("lost", signal)


def test_a_chunk_that_ends_worker_after_worker_is_failed(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    for _ in range(MAX_LOSSES):
        claim_next(owner="dead", pace=PACE)
        BatchChunk.objects.update(lease_until=Now() - timedelta(seconds=1))
        reap_expired(pace=PACE)
        end_backoff()
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "worker-lost")


def test_who_comes_too_late_writes_nothing_and_removes_its_files(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(10)
    dataset_of(ana, rows)
    job = ask(ana)
    slow = claim_next(owner="slow", pace=PACE)
    BatchChunk.objects.update(lease_until=Now() - timedelta(seconds=1))
    reap_expired(pace=PACE)
    end_backoff()
    drive(owner="quick")
    job.refresh_from_db()
    before = (job.rows_done, list(job.chunks.values()))

    work_on(slow)

    job.refresh_from_db()
    assert (job.rows_done, list(job.chunks.values())) == before
    folder = storage.local_path(job.chunks.get().output_name).parent
    assert [path.name for path in folder.iterdir()] == [
        job.chunks.get().output_name.rsplit("/")[-1]
    ]
    assert outcomes() == ["lost", "done", "fenced"]


def test_only_the_latest_attempt_commits(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(10)
    dataset_of(ana, rows)
    job = ask(ana)
    slow = claim_next(owner="slow", pace=PACE)
    BatchChunk.objects.update(lease_until=Now() - timedelta(seconds=1))
    reap_expired(pace=PACE)
    end_backoff()
    quick = claim_next(owner="quick", pace=PACE)

    work_on(slow)

    chunk = job.chunks.get()
    assert (chunk.state, chunk.attempt, chunk.lease_owner) == ("leased", 2, "quick")
    work_on(quick)
    job.refresh_from_db()
    assert (job.state, job.rows_done) == ("completed", 10)
    assert outcomes() == ["lost", "fenced", "done"]


@pytest.mark.parametrize("late_when", ["published", "done"])
def test_two_workers_to_whom_a_database_gave_the_same_attempt_do_not_harm_each_other(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch, late_when: str
) -> None:
    """A standby takes over that has not heard of the first claim, and gives its number again."""
    rows = people_rows(10)
    dataset_of(ana, rows)
    job = ask(ana)
    first = claim_next(owner="first", pace=PACE)
    BatchChunk.objects.update(state="pending", attempt=0, lease_owner="")
    second = claim_next(owner="second", pace=PACE)
    assert (first.attempt, second.attempt) == (1, 1)

    def overtake(step: str) -> None:
        if step == "rename.all":
            failpoints.arm(None)
            work_on(first)

    if late_when == "published":
        failpoints.arm(overtake)
    work_on(second)
    if late_when == "done":
        work_on(first)

    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))
    assert sorted(outcomes()) == ["done", "fenced"]
    assert ChunkAttempt.objects.get(outcome="done").worker == "second"


def test_a_file_that_is_about_to_be_named_is_kept_whatever_the_clock_says(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(10)
    dataset_of(ana, rows)
    job = ask(ana)
    claim_next(owner="dead", pace=PACE)
    note_death("dead", 9)
    end_backoff()
    swept: list[int] = []

    def sweep(step: str) -> None:
        if step in ("rename.all", "commit.before"):
            swept.append(sweep_orphans(older_than=timedelta(days=-1)))

    failpoints.arm(sweep)
    drive(owner="w1")

    assert swept == [0, 0]
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))


def test_a_cancelled_job_stops_at_the_next_fence(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    chunk = claim_next(owner="w1", pace=PACE)
    batch_jobs.cancel_job(by=ana, job=job)
    work_on(chunk)
    job.refresh_from_db()
    assert (job.state, job.rows_done, job.output) == ("cancelled", 0, None)
    assert outcomes() == ["fenced"]
    assert drive(owner="w1") == 0


def test_columns_that_change_between_chunks_fail_the_job(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    first = claim_next(owner="w1", pace=PACE)
    work_on(first)
    monkeypatch.setattr(
        ledger.ObedientHost,
        "score",
        lambda self, spec, opened, batch, *_, **__: ledger.Answer(
            batch.num_rows,
            (ledger.Block("prediction", None, None, (ledger.pa.array([1] * batch.num_rows),)),),
        ),
    )
    run_to_end(job)
    assert job.state == "failed"
    assert job.chunks.get(index=1).output_name == ""
    folder = storage.local_path(job.chunks.get(index=0).output_name).parent
    assert len(list(folder.iterdir())) == 1


def test_an_archived_version_fails_the_job_at_once(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    job.version.model.versions.update(status="archived")
    run_to_end(job)
    assert (job.state, job.error["code"]) == ("failed", "version-not-servable")
    assert outcomes() == ["error"]
