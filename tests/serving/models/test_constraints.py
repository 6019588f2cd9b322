"""Each named constraint of the ledger and of the schedules, broken once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.principals import Principal
from serving.models import BatchChunk, BatchJob, ChunkAttempt, Schedule, ScheduledSlot
from serving.models.job_states import ENDED_STATES, JOB_MOVES, JobState
from tests.serving.batch import ledger
from tests.serving.batch.ledger import nightly_of

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def job() -> BatchJob:
    owner = ledger.person("ana")
    ledger.ready_version(owner)
    ledger.dataset_of(owner, ledger.people_rows(10))
    return ledger.ask(owner)


@pytest.fixture
def chunk(job: BatchJob) -> BatchChunk:
    return BatchChunk.objects.create(job=job, index=0, row_start=0, row_stop=10)


@pytest.fixture
def schedule(job: BatchJob) -> Schedule:
    return nightly_of(job, NOW)


def breaks(name: str) -> Any:
    """Expect the constraint of that name; SQLite names columns of unique ones instead."""
    return pytest.raises(IntegrityError, match=name)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "stuck"}, "job_state_known"),
        ({"on_row_error": "skip"}, "job_on_row_error_known"),
        ({"paused_reason": "tired"}, "job_paused_reason_known"),
        ({"chunk_rows": 0}, "job_chunk_has_rows"),
        ({"rows_done": 11}, "job_done_within_total"),
        ({"rows_total": None, "rows_done": 1}, "job_done_within_total"),
        ({"rows_rejected": 1}, "job_rejected_within_done"),
        ({"state": "completed", "finished_at": NOW}, "job_completed_has_all_rows"),
        ({"state": "failed", "finished_at": NOW}, "job_failed_has_error"),
        ({"state": "cancelled"}, "job_finished_when_ended"),
        ({"finished_at": NOW}, "job_finished_when_ended"),
        ({"state": "running", "waits_for_rows": True}, "job_that_runs_has_rows"),
        ({"compared_sha256": "0" * 64}, "job_compared_whole"),
        ({"sink_table": "scores"}, "job_sink_whole"),
    ],
)
def test_a_job_cannot_be(job: BatchJob, values: dict[str, Any], constraint: str) -> None:
    with breaks(constraint), transaction.atomic():
        BatchJob.objects.filter(pk=job.pk).update(**values)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "lost"}, "chunk_state_known"),
        ({"row_start": 11}, "chunk_range_forward"),
        ({"state": "done", "rows_out": 9}, "chunk_done_has_all_rows"),
        ({"state": "done", "rows_out": 9, "rejects": 2}, "chunk_done_has_all_rows"),
        ({"state": "leased", "attempt": 1}, "chunk_leased_has_lease"),
        ({"state": "leased", "lease_until": NOW}, "chunk_leased_has_lease"),
    ],
)
def test_a_chunk_cannot_be(chunk: BatchChunk, values: dict[str, Any], constraint: str) -> None:
    with breaks(constraint), transaction.atomic():
        BatchChunk.objects.filter(pk=chunk.pk).update(**values)


def test_an_index_stands_once_in_a_job(chunk: BatchChunk) -> None:
    with breaks("index"), transaction.atomic():
        BatchChunk.objects.create(job=chunk.job, index=0, row_start=10, row_stop=20)


def test_rows_begin_once_in_a_job(chunk: BatchChunk) -> None:
    with breaks("row_start"), transaction.atomic():
        BatchChunk.objects.create(job=chunk.job, index=1, row_start=0, row_stop=20)


def test_an_attempt_has_a_known_outcome_and_ends_once(chunk: BatchChunk) -> None:
    ended = {"chunk": chunk, "attempt": 1, "worker": "w"}
    with breaks("attempt_outcome_known"), transaction.atomic():
        ChunkAttempt.objects.create(**ended, outcome="shrug")
    ChunkAttempt.objects.create(**ended, outcome="lost")
    with breaks("outcome"), transaction.atomic():
        ChunkAttempt.objects.create(**ended, outcome="lost")


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"overlap": "maybe"}, "schedule_overlap_known"),
        ({"missed": "twice"}, "schedule_missed_known"),
        ({"on_row_error": "skip"}, "schedule_on_row_error_known"),
        ({"deleted_at": NOW}, "schedule_deleted_is_disabled"),
        ({"source": {"prefix": "inbox/"}}, "schedule_reads_one_thing"),
        ({"dataset": None}, "schedule_reads_one_thing"),
        ({"dataset_ref": ""}, "schedule_reads_one_thing"),
    ],
)
def test_a_schedule_cannot_be(schedule: Schedule, values: dict[str, Any], constraint: str) -> None:
    with breaks(constraint), transaction.atomic():
        Schedule.objects.filter(pk=schedule.pk).update(**values)


def test_names_of_schedules_ignore_case(schedule: Schedule) -> None:
    schedule.pk, schedule.name = None, "Nightly"
    schedule._state.adding = True
    with breaks("schedule_name_once"), transaction.atomic():
        schedule.save(force_insert=True)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "gone"}, "slot_state_known"),
        ({"state": "started"}, "slot_started_has_job"),
        ({"state": "skipped"}, "slot_skipped_has_reason"),
        ({"state": "waiting", "is_running": True}, "slot_running_has_started"),
    ],
)
def test_a_slot_cannot_be(schedule: Schedule, values: dict[str, Any], constraint: str) -> None:
    with breaks(constraint), transaction.atomic():
        ScheduledSlot.objects.create(schedule=schedule, due=NOW, **values)


def test_a_slot_that_waits_has_no_job(schedule: Schedule, job: BatchJob) -> None:
    with breaks("slot_started_has_job"), transaction.atomic():
        ScheduledSlot.objects.create(schedule=schedule, due=NOW, state="waiting", job=job)


def test_a_due_time_has_one_slot(schedule: Schedule) -> None:
    slot = {"schedule": schedule, "due": NOW, "state": "skipped", "reason": "missed"}
    ScheduledSlot.objects.create(**slot)
    with breaks("due"), transaction.atomic():
        ScheduledSlot.objects.create(**slot)


def test_the_table_of_moves_names_every_state_and_leads_nowhere_else() -> None:
    assert set(JOB_MOVES) == set(JobState)
    assert {to for moves in JOB_MOVES.values() for to in moves} <= set(JobState)
    assert not JOB_MOVES[JobState.COMPLETED]
    assert not JOB_MOVES[JobState.CANCELLED]


@pytest.mark.parametrize("state", ENDED_STATES)
def test_a_move_that_is_not_in_the_table_changes_nothing(job: BatchJob, state: JobState) -> None:
    job.state = "completed"
    assert not BatchJob.objects.move(job, state)
    job.refresh_from_db()
    assert job.state == "queued"


def test_a_move_from_a_state_that_has_passed_changes_nothing(job: BatchJob) -> None:
    stale = BatchJob.objects.get(pk=job.pk)
    assert BatchJob.objects.move(job, JobState.CANCELLED, finished_at=NOW)
    assert not BatchJob.objects.move(stale, JobState.RUNNING)


def test_an_unused_principal_owns_nothing(job: BatchJob) -> None:
    assert not BatchJob.objects.visible_to(Principal(ledger.person("sam").user)).exists()
