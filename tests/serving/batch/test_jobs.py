"""Asking for jobs, cancelling, running again, and who may."""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa
import pytest

from registry.actions.datasets import record_ingested, record_refused
from registry.errors import (
    AliasNotFound,
    DatasetNotFound,
    DomainError,
    InvalidField,
    JobNotFound,
    ModelNotFound,
    NotAllowed,
    StateConflict,
    VersionNotFound,
    VersionNotReady,
    VersionNotServable,
)
from registry.models import DatasetVersion, ModelVersion, RegisteredModel
from registry.principals import Principal
from serving.actions import batch_asking, batch_jobs
from serving.actions.batch_jobs import (
    cancel_job,
    find_job,
    on_dataset_settled,
    retry_job,
)
from serving.actions.batch_results import rejects_of, results_of
from serving.actions.chunk_ends import fail_held_chunk, split_chunk
from serving.actions.claims import claim_next
from serving.actions.drive import drive, work_on
from serving.batch.pace import PACE
from serving.batch.ranges import RowRange
from serving.models import BatchChunk, BatchJob
from serving.models.clock import database_now
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, grant, people_rows, person

pytestmark = pytest.mark.django_db


def test_model_and_dataset_are_pinned_at_acceptance(ana: Principal) -> None:
    read = dataset_of(ana, people_rows(5))
    job = ask(ana, model="CHURN@champion", dataset="Customers")
    assert (job.version.number, job.version_sha256) == (1, job.version.artifact.sha256)
    assert (job.dataset_version, job.state, job.rows_total) == (read, "queued", 5)


@pytest.mark.parametrize(
    ("values", "error", "pointer"),
    [
        ({"model": "nothing"}, ModelNotFound, None),
        ({"model": "churn@nobody"}, AliasNotFound, None),
        ({"model": "churn@3"}, InvalidField, "/model"),
        ({"model": "churn@champion", "version": 1}, InvalidField, "/version"),
        ({"version": 7}, VersionNotFound, None),
        ({"dataset": "nothing"}, DatasetNotFound, None),
        ({"dataset": "customers@7"}, VersionNotFound, None),
        ({"dataset": "customers@x"}, InvalidField, "/dataset"),
        ({"dataset": "customers@"}, InvalidField, "/dataset"),
        ({"outputs": ["transform"]}, InvalidField, "/outputs/0"),
        ({"outputs": []}, InvalidField, "/outputs"),
        ({"keep_columns": ["id", "nope"]}, InvalidField, "/keep_columns/1"),
        ({"keep_columns": ["id", "id"]}, InvalidField, "/keep_columns/1"),
        ({"keep_columns": "some"}, InvalidField, "/keep_columns"),
        ({"on_row_error": "skip"}, InvalidField, "/on_row_error"),
        ({"chunk_rows": 1_000_001}, InvalidField, "/chunk_rows"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    ana: Principal, values: dict[str, Any], error: type[DomainError], pointer: str | None
) -> None:
    dataset_of(ana, people_rows(5))
    with pytest.raises(error) as refused:
        ask(ana, **values)
    assert getattr(refused.value, "pointer", None) == pointer
    assert not BatchJob.objects.exists()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("pending", VersionNotReady),
        ("quarantined", VersionNotReady),
        ("rejected", VersionNotServable),
        ("archived", VersionNotServable),
    ],
)
def test_only_a_ready_version_is_accepted(
    ana: Principal, status: str, error: type[DomainError]
) -> None:
    dataset_of(ana, people_rows(5))
    ModelVersion.objects.update(status=status)
    with pytest.raises(error):
        ask(ana)


def test_columns_that_the_dataset_lacks_are_named_with_the_nearest(ana: Principal) -> None:
    rows = people_rows(5).rename_columns(["id", "Age ", "town"])
    columns = [
        {"name": name, "type": kind, "nullable": True}
        for name, kind in (("id", "string"), ("Age ", "int64"), ("town", "string"))
    ]
    dataset_of(ana, rows, columns=columns)
    with pytest.raises(InvalidField) as refused:
        ask(ana)
    assert refused.value.detail.startswith(
        "The dataset lacks the columns `age` (nearest: `Age `), `city` (nearest:"
    )
    assert refused.value.pointer == "/dataset"


def test_a_pending_dataset_is_waited_for(ana: Principal, host: ObedientHost) -> None:
    read = ledger.pending_dataset(ana)
    job = ask(ana)
    assert (job.rows_total, drive(owner="w1")) == (None, 0)
    ready = dataset_of(ana, people_rows(5), "other")
    record_ingested(read, rows=5, columns=ready.columns, profile={}, parts=ready.parts)
    on_dataset_settled(read)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.rows_total) == ("completed", 5)


def test_a_rejected_dataset_fails_the_jobs_that_wait_for_it(ana: Principal) -> None:
    read = ledger.pending_dataset(ana)
    job = ask(ana)
    error = {"line": 3, "column": "age", "code": "ragged-row"}
    record_refused(read, errors=[error], error_count=1)
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "dataset-rejected")
    assert job.error["errors"] == [error]
    with pytest.raises(StateConflict):
        retry_job(by=ana, job=job)
    with pytest.raises(StateConflict):
        ask(ana)


def test_of_many_jobs_the_further_ones_are_failed_when_they_would_be_started(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_jobs, "FAILED_AT_ONCE", 1)
    read = ledger.pending_dataset(ana)
    jobs = [ask(ana) for _ in range(4)]
    record_refused(read, errors=[], error_count=1)
    assert BatchJob.objects.filter(state="failed").count() == 1

    assert drive(owner="w1") == 0

    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.error["code"]) == ("failed", "dataset-rejected")


def test_a_job_that_comes_while_its_dataset_is_settled_waits_for_nothing(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ledger.pending_dataset(ana)
    stale = DatasetVersion.objects.get(pk=read.pk)
    ready = dataset_of(ana, people_rows(5), "other")
    record_ingested(read, rows=5, columns=ready.columns, profile={}, parts=ready.parts)
    stale.status = "pending"
    monkeypatch.setattr(batch_asking, "resolve_read", lambda *_: stale)
    job = ask(ana)
    assert (job.waits_for_rows, job.rows_total) == (False, 5)


def test_the_job_counts_its_chunks(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(40))
    job = ask(ana, chunk_rows=10)
    assert (job.chunks_total, job.chunks_done) == (0, 0)
    first, second = (claim_next(owner="w1", pace=PACE) for _ in range(2))
    work_on(first)
    split_chunk(second, [RowRange(10, 15), RowRange(15, 20)], reason="Too slow.")
    third = claim_next(owner="w1", pace=PACE)
    fail_held_chunk(third, {"code": "internal", "detail": "x"})
    job.refresh_from_db()
    assert (job.chunks_total, job.chunks_done, job.chunks_failed) == (5, 1, 1)

    job = retry_job(by=ana, job=job)

    assert (job.chunks_total, job.chunks_done, job.chunks_failed) == (5, 1, 0)
    assert (job.rows_at_retry, job.retried_at is not None) == (10, True)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.chunks_done) == ("completed", 5)


def test_a_slot_runs_until_its_job_has_ended_and_again_with_a_retry(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    now = database_now()
    schedule = ledger.nightly_of(job, now)
    slot = schedule.slots.create(due=now, state="started", job=job, is_running=True)

    fail_held_chunk(claim_next(owner="w1", pace=PACE), {"code": "internal", "detail": "x"})
    slot.refresh_from_db()
    assert not slot.is_running

    job.refresh_from_db()
    retry_job(by=ana, job=job)
    slot.refresh_from_db()
    assert slot.is_running

    drive(owner="w1")
    slot.refresh_from_db()
    assert not slot.is_running


def test_columns_are_checked_when_a_pending_dataset_is_there(ana: Principal) -> None:
    read = ledger.pending_dataset(ana)
    job = ask(ana)
    columns = [{"name": "age", "type": "int64", "nullable": False}]
    part = dataset_of(ana, pa.table({"age": [1]}), "other", columns=columns).parts
    record_ingested(read, rows=1, columns=columns, profile={}, parts=part)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "invalid-field")
    assert "`city`" in job.error["detail"]


def test_the_newest_version_that_was_not_rejected_is_read(ana: Principal) -> None:
    read = dataset_of(ana, people_rows(5))
    DatasetVersion.objects.create(
        dataset=read.dataset, number=2, format="csv", status="rejected", created_by=ana.user
    )
    assert ask(ana).dataset_version == read
    with pytest.raises(StateConflict, match="customers@2 was rejected"):
        ask(ana, dataset="customers@2")


def test_a_job_that_has_ended_cannot_be_cancelled(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(5))
    job = ask(ana)
    assert cancel_job(by=ana, job=job).state == "cancelled"
    with pytest.raises(StateConflict):
        cancel_job(by=ana, job=job)
    done = ask(ana)
    drive(owner="w1")
    with pytest.raises(StateConflict):
        cancel_job(by=ana, job=done)


@pytest.mark.parametrize("state", ["queued", "running", "completed", "cancelled"])
def test_only_failed_jobs_and_those_with_rejects_run_again(
    ana: Principal, host: ObedientHost, state: str
) -> None:
    dataset_of(ana, people_rows(20))
    job = ask(ana, chunk_rows=10)
    if state == "running":
        drive(owner="w1", budget_s=0)
    elif state == "completed":
        drive(owner="w1")
    elif state == "cancelled":
        cancel_job(by=ana, job=job)
    job.refresh_from_db()
    assert job.state == state
    with pytest.raises(StateConflict):
        retry_job(by=ana, job=job)


def test_a_retry_scores_what_failed_and_keeps_what_is_done(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(30)
    dataset_of(ana, rows)
    job = ask(ana, chunk_rows=10, on_row_error="fail")
    host.poison = {35}
    for _ in range(5):
        drive(owner="w1")
        BatchChunk.objects.update(not_before=None)
    job.refresh_from_db()
    assert (job.state, job.rows_done) == ("failed", 20)
    host.poison, host.calls = set(), []

    retry_job(by=ana, job=job)
    drive(owner="w1")

    job.refresh_from_db()
    assert (job.state, job.error, job.rows_done) == ("completed", None, 30)
    assert host.calls == [10]
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))


def test_a_retry_of_rejects_makes_the_next_version_of_the_output(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(30)
    dataset_of(ana, rows)
    job = ask(ana, chunk_rows=10)
    host.poison = {35}
    for _ in range(5):
        drive(owner="w1")
        BatchChunk.objects.update(not_before=None)
    job.refresh_from_db()
    first = job.output
    assert (job.state, first.rows) == ("completed_with_rejects", 29)
    host.poison = set()

    retry_job(by=ana, job=job)
    job.refresh_from_db()
    assert (job.state, job.rows_done, job.rows_rejected) == ("running", 20, 0)
    drive(owner="w1")

    job.refresh_from_db()
    assert (job.state, job.output.number, job.output.rows) == ("completed", 2, 30)
    assert job.output.dataset == first.dataset
    assert list(job.output.parents.all()) == [job.dataset_version]
    assert ledger.rows_of(first).num_rows == 29


class Roles:
    """Who holds what: on the model churn, on the dataset customers."""

    def __init__(self, job: BatchJob) -> None:
        self.job = job

    def of(self, name: str, model: str | None, dataset: str | None) -> Principal:
        somebody = person(name, superuser=model == "everything")
        if model and model != "everything":
            grant(somebody, model, self.job.model)
        if dataset:
            grant(somebody, dataset, self.job.dataset)
        return somebody


@pytest.mark.parametrize(
    ("model", "dataset", "sees", "reads", "cancels"),
    [
        (None, None, False, False, False),
        ("manager", None, False, False, False),
        (None, "manager", False, False, False),
        ("viewer", "viewer", True, True, False),
        ("scorer", "viewer", True, True, False),
        ("publisher", "viewer", True, True, True),
        ("everything", None, True, True, True),
    ],
)
def test_who_sees_reads_and_cancels_a_job(
    ana: Principal,
    host: ObedientHost,
    model: str | None,
    dataset: str | None,
    sees: bool,
    reads: bool,
    cancels: bool,
) -> None:
    dataset_of(ana, people_rows(5))
    done = ask(ana)
    drive(owner="w1")
    waiting = ask(ana)
    somebody = Roles(done).of("ben", model, dataset)
    if not sees:
        with pytest.raises(JobNotFound):
            find_job(somebody, done.pk)
        return
    found = find_job(somebody, done.pk)
    assert results_of(found, by=somebody).parts == found.output.parts
    if cancels:
        assert cancel_job(by=somebody, job=waiting).state == "cancelled"
    else:
        with pytest.raises(NotAllowed):
            cancel_job(by=somebody, job=waiting)


def test_asking_needs_scorer_on_the_model_and_sight_of_the_dataset(ana: Principal) -> None:
    dataset = dataset_of(ana, people_rows(5)).dataset
    model = RegisteredModel.objects.get()
    viewer, blind = person("ben"), person("eva")
    grant(viewer, "viewer", model)
    grant(viewer, "viewer", dataset)
    grant(blind, "scorer", model)
    with pytest.raises(NotAllowed):
        ask(viewer)
    with pytest.raises(DatasetNotFound):
        ask(blind)


def test_who_lost_the_dataset_sees_the_job_and_their_own_output(
    ana: Principal, host: ObedientHost
) -> None:
    dataset = dataset_of(ana, people_rows(5)).dataset
    job = ask(ana)
    drive(owner="w1")
    dataset.grants.all().delete()
    found = find_job(ana, job.pk)
    assert results_of(found, by=ana).parts
    found.output.dataset.grants.all().delete()
    with pytest.raises(NotAllowed):
        rejects_of(found, by=ana)


def test_results_and_rejects_come_at_the_end_only(ana: Principal) -> None:
    dataset_of(ana, people_rows(5))
    job = ask(ana)
    with pytest.raises(StateConflict, match="no results yet"):
        results_of(job, by=ana)
    with pytest.raises(StateConflict):
        rejects_of(job, by=ana)
    cancel_job(by=ana, job=job)
    job.refresh_from_db()
    with pytest.raises(StateConflict, match="cancelled"):
        results_of(job, by=ana)
    assert rejects_of(job, by=ana).parts == []


def test_an_unknown_id_is_not_found(ana: Principal) -> None:
    with pytest.raises(JobNotFound):
        find_job(ana, uuid.uuid4())
