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
from tests.drawing import amount
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
    statements = (query["sql"].strip() for query in captured.captured_queries)
    return [sql for sql in statements if sql.startswith(("SELECT", "WITH"))]


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


def test_what_runs_of_a_schedule_goes_by_an_index_of_what_runs(ana: Principal) -> None:
    lines = plan_of(*Schedule(name="minutely").slots.running().query.sql_with_params())
    assert any("slot_running" in line for line in lines), lines


def test_a_claim_takes_as_many_queries_with_many_jobs_as_with_few(busy: Principal) -> None:
    few = len(queries_of(lambda: claim_next(owner="w2", pace=PACE)))
    for _ in range(30):
        ask(busy, chunk_rows=10)
    many = len(queries_of(lambda: claim_next(owner="w3", pace=PACE)))
    assert many == few


def many_more(job: BatchJob, count: int, **values: str) -> None:
    """So many copies of a job, made by the server itself; ``values`` are SQL by column."""
    made = {"id": "gen_random_uuid()", **values}
    columns = [field.column for field in BatchJob._meta.fields]
    cells = ", ".join(made.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO serving_batchjob ({', '.join(columns)}) "
            f"SELECT {cells} FROM serving_batchjob, generate_series(1, {count}) WHERE id = %s",
            [job.pk],
        )


def rows_read(sql: str) -> int:
    """How many rows of the large tables PostgreSQL looks at for a query."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        (plan,) = cursor.fetchone()
    return _rows_of(plan[0]["Plan"])


def _rows_of(node: dict[str, Any]) -> int:
    below = sum(_rows_of(child) for child in node.get("Plans", []))
    if node.get("Relation Name") not in LARGE:
        return below
    seen = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return below + round(node["Actual Loops"] * sum(node.get(key, 0) for key in seen))


@pytest.mark.postgres
def test_with_many_jobs_postgresql_looks_at_few_rows(transactional_ana: Principal) -> None:
    ana = transactional_ana
    dataset_of(ana, people_rows(40))
    job = ask(ana, chunk_rows=10)
    ben = person("ben")
    grant(ben, "scorer", job.model)
    grant(ben, "viewer", job.dataset)
    share = amount(10_000, short=2_000)
    many_more(job, 4 * share)
    many_more(job, 2 * share, waits_for_rows="true")
    many_more(job, 4 * share, state="'cancelled'", finished_at="now()")
    for _ in range(3):
        ask(ben, chunk_rows=10)
    claim_next(owner="w1", pace=PACE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for call in (
        lambda: claim_next(owner="w2", pace=PACE),
        lambda: reap_expired(pace=PACE),
        lambda: claimable_jobs(8),
        lambda: list(visible_jobs(ben).order_by("-id")[:50]),
        lambda: list(visible_jobs(ben).filter(state="queued").order_by("-id")[:50]),
    ):
        for sql in queries_of(call):
            assert rows_read(sql) < share / 2, sql


@pytest.mark.postgres
def test_reading_from_end_to_end_is_counted(transactional_ana: Principal) -> None:
    dataset_of(transactional_ana, people_rows(40))
    many_more(ask(transactional_ana), 999)
    assert rows_read("SELECT count(*) FROM serving_batchjob WHERE error IS NULL") == 1_000


def test_the_check_of_plans_finds_a_walk(ana: Principal) -> None:
    unindexed = BatchChunk.objects.filter(reason="x").order_by()
    assert walked(plan_of(*unindexed.query.sql_with_params())) != []
    jobs = BatchJob.objects.filter(Exists(unindexed.filter(pk=OuterRef("rows_done"))))
    assert jobs.count() == 0
