"""A hundred thousand jobs in the table: what is asked often goes by an index."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef
from django.test.utils import CaptureQueriesContext

from registry.principals import Principal
from serving.actions.claims import claim_next, claimable_jobs, reap_expired
from serving.api.batch_bodies import visible_jobs
from serving.batch.pace import PACE
from serving.models import BatchChunk, BatchJob, Schedule
from serving.models.clock import database_now
from tests.serving.batch.ledger import ask, dataset_of, grant, people_rows, person

pytestmark = pytest.mark.django_db

LARGE = ("serving_batchjob", "serving_batchchunk", "serving_scheduledslot")


def plan_of(sql: str, params: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return [row[3] for row in cursor.fetchall()]


def walked(lines: list[str]) -> list[str]:
    """Steps that read a large table from end to end, or sort what they found of it."""
    return [
        line
        for line in lines
        if line.startswith("SCAN")
        and "USING" not in line
        and any(table in line or line == f"SCAN U{n}" for table in LARGE for n in range(4))
    ]


def queries_of(call: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    return [q["sql"] for q in captured.captured_queries if q["sql"].startswith("SELECT")]


@pytest.fixture
def busy(ana: Principal) -> Principal:
    """Some jobs in every state, and somebody who sees one model only."""
    dataset_of(ana, people_rows(40))
    for _ in range(20):
        ask(ana, chunk_rows=10)
    claim_next(owner="w1", pace=PACE)
    return ana


def test_claiming_and_reconciling_go_by_an_index(busy: Principal) -> None:
    for call in (
        lambda: claim_next(owner="w2", pace=PACE),
        lambda: reap_expired(pace=PACE),
        lambda: claimable_jobs(8),
    ):
        for sql in queries_of(call):
            assert walked(plan_of(sql, ())) == [], sql


def test_lists_go_by_an_index(busy: Principal) -> None:
    mate = person("mate")
    job = BatchJob.objects.first()
    grant(mate, "viewer", job.model)
    grant(mate, "viewer", job.dataset)
    chief = person("chief", superuser=True)
    for by in (mate, chief):
        rows = visible_jobs(by).order_by("-id")
        for listed in (
            rows[:50],
            rows.filter(state="running")[:50],
            rows.filter(model=job.model)[:50],
            rows.filter(dataset=job.dataset)[:50],
            rows.order_by("state", "-id")[:50],
        ):
            lines = plan_of(*listed.query.sql_with_params())
            assert walked(lines) == [], (str(listed.query), lines)


def test_due_schedules_go_by_an_index(ana: Principal) -> None:
    rows = Schedule.objects.due(database_now()).order_by("next_due")
    lines = plan_of(*rows.query.sql_with_params())
    assert any("schedule_by_due" in line for line in lines), lines


def test_a_claim_takes_as_many_queries_with_many_jobs_as_with_few(busy: Principal) -> None:
    few = len(queries_of(lambda: claim_next(owner="w2", pace=PACE)))
    for _ in range(30):
        ask(busy, chunk_rows=10)
    many = len(queries_of(lambda: claim_next(owner="w3", pace=PACE)))
    assert many == few


def test_the_check_of_plans_finds_a_walk(ana: Principal) -> None:
    unindexed = BatchChunk.objects.filter(reason="x").order_by()
    assert walked(plan_of(*unindexed.query.sql_with_params())) != []
    jobs = BatchJob.objects.filter(Exists(unindexed.filter(pk=OuterRef("rows_done"))))
    assert jobs.count() == 0
