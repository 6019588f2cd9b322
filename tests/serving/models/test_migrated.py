"""Jobs and slots from before a migration get the figures that are kept with each move since."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps

from registry.principals import Principal
from serving.models import BatchChunk, BatchJob, ScheduledSlot
from serving.models.clock import database_now
from tests.serving.batch import ledger

migration = importlib.import_module("serving.migrations.0003_batch_on_many_machines")


@pytest.fixture
def ana(db: None) -> Principal:
    owner = ledger.person("ana")
    ledger.ready_version(owner)
    return owner


def forget(job: BatchJob) -> BatchJob:
    """As it was before there were the columns."""
    BatchJob.objects.update(chunks_total=0, chunks_done=0, chunks_failed=0, waits_for_rows=False)
    ScheduledSlot.objects.update(is_running=False)
    migration.count_what_is_there(apps, None)
    job.refresh_from_db()
    return job


def test_chunks_are_counted(ana: Principal) -> None:
    ledger.dataset_of(ana, ledger.people_rows(40))
    job = ledger.ask(ana)
    states = ["done", "done", "failed", "pending"]
    for index, state in enumerate(states):
        values = {"row_start": 10 * index, "row_stop": 10 * index + 10, "rows_out": 10}
        BatchChunk.objects.create(job=job, index=index, state=state, **values)

    forget(job)

    assert (job.chunks_total, job.chunks_done, job.chunks_failed) == (4, 2, 1)


def test_a_job_on_a_dataset_that_is_being_read_waits(ana: Principal) -> None:
    ledger.pending_dataset(ana)
    assert forget(ledger.ask(ana)).waits_for_rows


def test_a_job_on_rows_that_are_there_waits_for_nothing(ana: Principal) -> None:
    ledger.dataset_of(ana, ledger.people_rows(1))
    assert not forget(ledger.ask(ana)).waits_for_rows


@pytest.mark.parametrize(("state", "is_running"), [("queued", True), ("cancelled", False)])
def test_a_slot_runs_as_long_as_its_job(ana: Principal, state: str, is_running: bool) -> None:
    ledger.dataset_of(ana, ledger.people_rows(1))
    job, now = ledger.ask(ana), database_now()
    schedule = ledger.nightly_of(job, now)
    slot = ScheduledSlot.objects.create(schedule=schedule, due=now, state="started", job=job)
    ended = {} if is_running else {"finished_at": now}
    BatchJob.objects.update(state=state, **ended)

    forget(job)

    slot.refresh_from_db()
    assert slot.is_running == is_running
