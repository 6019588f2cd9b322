"""Which chunk is next, and that nobody's work keeps another's waiting."""

from __future__ import annotations

import pytest
from django.db import connection

from registry.models import DatasetVersion
from registry.principals import Principal
from serving.actions.claims import claim_next, claimable_jobs
from serving.actions.drive import drive, work_on
from serving.batch.pace import PACE
from serving.models import BatchChunk, BatchJob
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

pytestmark = pytest.mark.django_db


def claimed_jobs(count: int) -> list[BatchJob]:
    claims = [claim_next(owner=f"w{i}", pace=PACE) for i in range(count)]
    return [chunk.job for chunk in claims if chunk is not None]


def ben_may_score(version: DatasetVersion) -> Principal:
    ben = ledger.person("ben")
    ledger.grant(ben, "scorer", BatchJob._meta.get_field("model").related_model.objects.get())
    ledger.grant(ben, "viewer", version.dataset)
    return ben


def test_the_oldest_job_of_a_principal_comes_first(ana: Principal) -> None:
    dataset_of(ana, people_rows(20))
    first, second = ask(ana, chunk_rows=10), ask(ana, chunk_rows=10)
    assert claimed_jobs(5) == [first, first, second, second]


def test_one_job_does_not_wait_for_a_thousand_of_another_principal(ana: Principal) -> None:
    version = dataset_of(ana, people_rows(20))
    many = [ask(ana, chunk_rows=10) for _ in range(5)]
    one = ask(ben_may_score(version), chunk_rows=10)
    assert claimed_jobs(4) == [many[0], one, many[0], one]


def test_priority_comes_before_everything(ana: Principal) -> None:
    version = dataset_of(ana, people_rows(20))
    ask(ben_may_score(version), chunk_rows=10)
    urgent = ask(ana, chunk_rows=10)
    BatchJob.objects.filter(pk=urgent.pk).update(priority=5)
    assert claimed_jobs(2) == [urgent, urgent]


def test_a_claim_takes_the_next_rows_and_the_next_attempt(ana: Principal) -> None:
    dataset_of(ana, people_rows(20))
    ask(ana, chunk_rows=10)
    first, second = (claim_next(owner=f"w{i}", pace=PACE) for i in range(2))
    assert (first.row_start, second.row_start) == (0, 10)
    assert (first.attempt, first.state, first.lease_owner) == (1, "leased", "w0")


def test_a_chunk_that_somebody_took_is_not_leased_again(ana: Principal) -> None:
    dataset_of(ana, people_rows(5))
    job = ask(ana)
    claim_next(owner="w1", pace=PACE)
    stale = BatchChunk(pk=job.chunks.get().pk, attempt=0)
    assert not BatchChunk.objects.lease(stale, owner="w2", lease_s=30)
    assert job.chunks.get().lease_owner == "w1"


def test_a_heartbeat_holds_the_lease_only_for_its_attempt_and_while_the_job_runs(
    ana: Principal,
) -> None:
    dataset_of(ana, people_rows(5))
    job = ask(ana)
    chunk = claim_next(owner="w1", pace=PACE)
    assert BatchChunk.objects.extend(chunk, lease_s=500)
    assert job.chunks.get().lease_until > chunk.lease_until
    assert not BatchChunk.objects.extend(BatchChunk(pk=chunk.pk, attempt=2), lease_s=500)
    BatchJob.objects.update(state="failed", error={}, finished_at=chunk.claimed_at)
    assert not BatchChunk.objects.extend(chunk, lease_s=500)


def test_the_time_budget_ends_a_drive(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(30))
    job = ask(ana, chunk_rows=10)
    assert drive(owner="w1", budget_s=0) == 1
    assert job.chunks.filter(state="done").count() == 1
    assert drive(owner="w1") == 2


def test_there_is_a_ring_for_each_worker_that_has_something_to_do(ana: Principal) -> None:
    dataset_of(ana, people_rows(30))
    first, second = ask(ana, chunk_rows=10), ask(ana, chunk_rows=10)
    assert sorted(claimable_jobs(8)) == sorted([first.pk, second.pk])
    claim_next(owner="w1", pace=PACE)
    assert sorted(claimable_jobs(8)) == sorted([first.pk, first.pk, second.pk])
    assert len(claimable_jobs(1)) == 1


def test_a_job_of_many_small_chunks_gets_larger_ones(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.batch.ranges.MAX_CHUNKS", 4)
    dataset_of(ana, people_rows(30))
    job = ask(ana, chunk_rows=1)
    claim_next(owner="w1", pace=PACE)
    job.refresh_from_db()
    assert (job.chunks.count(), job.chunk_rows) == (4, 8)


@pytest.mark.postgres
def test_two_workers_on_postgresql_take_different_chunks(transactional_ana: Principal) -> None:
    import threading

    dataset_of(transactional_ana, people_rows(2_000))
    job = ask(transactional_ana, chunk_rows=50)
    taken: list[int] = []

    def take() -> None:
        while (chunk := claim_next(owner=threading.current_thread().name, pace=PACE)) is not None:
            taken.append(chunk.index)
        connection.close()

    workers = [threading.Thread(target=take) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(40))
    assert set(job.chunks.values_list("attempt", flat=True)) == {1}


@pytest.mark.postgres
def test_a_job_runs_on_postgresql(transactional_ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(500)
    dataset_of(transactional_ana, rows)
    job = ask(transactional_ana, chunk_rows=100)
    first = claim_next(owner="w1", pace=PACE)
    work_on(first)
    drive(owner="w2")
    job.refresh_from_db()
    assert job.state == "completed"
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))
