"""Results in a table elsewhere: each row once, whenever a worker dies, waits or comes too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from registry.actions import connections
from registry.actions.ingest import ingest_dataset
from registry.errors import (
    ConnectionNotFound,
    InvalidField,
    NotAllowed,
    SinkAway,
    StateConflict,
)
from registry.models import Connection, Dataset, Grant
from registry.principals import Principal
from registry.sql import ChunkIdentity
from serving.actions import deliveries
from serving.actions.batch_jobs import retry_job
from serving.actions.claims import claim_next
from serving.actions.drive import drive, work_on
from serving.batch.failpoints import SINK_STEPS
from serving.batch.pace import PACE
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from tests.services.elsewhere import PostgresPlace
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows
from tests.serving.batch.test_worker_death import (  # noqa: F401 - `mortal` is a fixture
    Mortal,
    _nobody_is_rung_for,
    end_waits,
    job_on_sixty_rows,
    live_to_the_end,
    mortal,
)

SINK = {"connection": "reports", "table": "scores"}
ROWS = "select modelyard_row, id, prediction from scores order by modelyard_row"


def connection_to(by: Principal, place: PostgresPlace, role: str = "publisher") -> Connection:
    row = Connection.objects.create(
        name="reports",
        driver="postgresql",
        address=place.address,
        allows_writing=True,
        owner=by.user,
    )
    Grant.objects.create(user=by.user, role=role, connection=row)
    return row


def in_the_table(place: PostgresPlace) -> list[tuple[Any, ...]]:
    return place.run(ROWS)


def expected(job: BatchJob) -> list[tuple[Any, ...]]:
    """What the output dataset has, with the number of each row in the input."""
    results = ledger.results(job).to_pylist()
    return [(int(row["id"][1:]), row["id"], row["prediction"]) for row in results]


def test_results_go_to_the_table_as_they_go_to_the_output(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    connection_to(ana, postgres_elsewhere)
    job = job_on_sixty_rows_with(ana)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.rows_rejected) == ("completed_with_rejects", 3)
    assert in_the_table(postgres_elsewhere) == expected(job)
    assert postgres_elsewhere.run("select distinct modelyard_job from scores") == [(str(job.pk),)]
    chunks = postgres_elsewhere.run("select row_start, row_stop from modelyard_chunks order by 1")
    assert chunks == [(0, 20), (20, 40), (40, 60)]


def job_on_sixty_rows_with(by: Principal, sink: Any = SINK) -> BatchJob:
    job_on_sixty_rows(by).delete()
    return ask(by, chunk_rows=20, sink=sink)


@pytest.mark.django_db(transaction=True)
def test_a_worker_may_die_at_any_step_of_the_sink(
    transactional_ana: Principal,
    mortal: Mortal,  # noqa: F811
    postgres_elsewhere: PostgresPlace,
) -> None:
    connection_to(transactional_ana, postgres_elsewhere)
    job = job_on_sixty_rows_with(transactional_ana)
    for step in (*SINK_STEPS, "commit.fenced", "finish.output", "commit.before"):
        postgres_elsewhere.run("drop table if exists scores, modelyard_chunks")
        assert mortal.drive(step) == "killed", step
        live_to_the_end(mortal, job)
        assert in_the_table(postgres_elsewhere) == expected(job), step
        assert ChunkAttempt.objects.filter(chunk__job=job, outcome="lost").count() == 1
        job = ask(Principal(job.created_by), chunk_rows=20, sink=SINK)


@pytest.mark.django_db(transaction=True)
def test_worker_after_worker_may_die(
    transactional_ana: Principal,
    mortal: Mortal,  # noqa: F811
    postgres_elsewhere: PostgresPlace,
) -> None:
    connection_to(transactional_ana, postgres_elsewhere)
    job = job_on_sixty_rows_with(transactional_ana)
    for step in (*SINK_STEPS, *SINK_STEPS):
        end_waits()
        mortal.drive(step)
    live_to_the_end(mortal, job)
    assert in_the_table(postgres_elsewhere) == expected(job)


def test_a_worker_that_comes_too_late_changes_nothing(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK)
    late = claim_next(owner="late", pace=PACE)
    assert late is not None
    BatchChunk.objects.filter(pk=late.pk).update(lease_until=Now() - timedelta(seconds=1))
    drive(owner="w1")
    end_waits()
    drive(owner="w1")
    job.refresh_from_db()
    assert job.state == "completed"
    before = in_the_table(postgres_elsewhere)
    work_on(late)
    assert in_the_table(postgres_elsewhere) == before == expected(job)


def test_an_older_attempt_finds_the_fence_in_the_table(
    ana: Principal,
    host: ObedientHost,
    postgres_elsewhere: PostgresPlace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between its last look at the lease and the sink it can be overtaken."""
    connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK)
    as_first = deliveries._identity

    def as_late(chunk: Any, result: Any) -> ChunkIdentity:
        mine = as_first(chunk, result)
        return ChunkIdentity(mine.job, mine.row_start, mine.row_stop, 0, "0" * 64)

    drive(owner="w1")
    monkeypatch.setattr(deliveries, "_identity", as_late)
    BatchJob.objects.filter(pk=job.pk).update(state="running", finished_at=None, output=None)
    job.chunks.update(state="pending", output_name="", rows_out=0)
    drive(owner="w2", budget_s=0)
    assert ChunkAttempt.objects.order_by("-id").first().outcome == "fenced"
    assert len(in_the_table(postgres_elsewhere)) == 10


def test_a_sink_that_is_away_pauses_the_job_and_loses_nothing(
    ana: Principal,
    host: ObedientHost,
    postgres_elsewhere: PostgresPlace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK)

    def away(*_: Any, **__: Any) -> bool:
        raise SinkAway("The sink does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "write_chunk", away)
        drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("running", "sink-unavailable")
    assert job.chunks.get().failures == 0
    BatchJob.objects.filter(pk=job.pk).update(paused_until=None)
    end_waits()
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("completed", "")
    assert in_the_table(postgres_elsewhere) == expected(job)


def test_a_table_that_does_not_fit_fails_the_job_naming_the_column(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    connection_to(ana, postgres_elsewhere)
    postgres_elsewhere.run("create table scores (id integer)")
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "sink-refused")
    assert "`id`" in job.error["detail"]


def test_a_connection_that_is_closed_meanwhile_fails_the_job(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    row = connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK)
    connections.update_connection(by=Principal(_superuser()), connection=row, allows_writing=False)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "sink-refused")


def _superuser() -> Any:
    return ledger.person("root", superuser=True).user


def test_another_row_is_bad_the_second_time_though_the_answers_are_alike(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    """Nine times "no" both times; which row is not among them is told by the rejects alone."""
    connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    job = ask(ana, sink=SINK, keep_columns=[], outputs=["prediction"])
    for bad in (3, 5):
        host.poison = {20 + bad}
        for _ in range(9):
            drive(owner="w1")
            end_waits()
        job.refresh_from_db()
        assert (job.state, job.rows_rejected) == ("completed_with_rejects", 1)
        there = postgres_elsewhere.run("select modelyard_row from scores order by 1")
        assert [row for (row,) in there] == [row for row in range(10) if row != bad]
        job = retry_job(by=ana, job=job)


def test_rows_that_are_all_bad_leave_the_table_alone(
    ana: Principal, host: ObedientHost, postgres_elsewhere: PostgresPlace
) -> None:
    connection_to(ana, postgres_elsewhere)
    rows = people_rows(10)
    dataset_of(ana, rows.set_column(1, "age", ledger.pa.nulls(10, "int64")))
    job = ask(ana, sink=SINK)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.rows_rejected) == ("completed_with_rejects", 10)
    assert postgres_elsewhere.run("select to_regclass('scores')::text") == [(None,)]


@pytest.mark.parametrize(
    ("sink", "refusal"),
    [
        ("scores", InvalidField),
        ({"connection": "reports"}, InvalidField),
        ({"connection": "reports", "table": "a.b.c\n"}, InvalidField),
        ({"connection": "reports", "table": "modelyard_chunks"}, InvalidField),
        ({**SINK, "mode": "append"}, InvalidField),
        ({"connection": "other", "table": "scores"}, ConnectionNotFound),
    ],
)
def test_a_wrong_sink_is_refused_before_anything_is_accepted(
    ana: Principal, postgres_elsewhere: PostgresPlace, sink: Any, refusal: type[Exception]
) -> None:
    connection_to(ana, postgres_elsewhere)
    dataset_of(ana, people_rows(10))
    with pytest.raises(refusal):
        ask(ana, sink=sink)
    assert not BatchJob.objects.exists()


def test_writing_needs_the_role_publisher_and_an_open_connection(
    ana: Principal, postgres_elsewhere: PostgresPlace
) -> None:
    row = connection_to(ana, postgres_elsewhere, role="scorer")
    dataset_of(ana, people_rows(10))
    with pytest.raises(NotAllowed):
        ask(ana, sink=SINK)
    Grant.objects.filter(connection=row).update(role="publisher")
    Connection.objects.update(allows_writing=False)
    with pytest.raises(StateConflict):
        ask(ana, sink=SINK)


def test_a_job_reads_a_query_as_a_dataset_of_its_own(
    ana: Principal,
    host: ObedientHost,
    postgres_elsewhere: PostgresPlace,
) -> None:
    connection_to(ana, postgres_elsewhere)
    postgres_elsewhere.run(
        "create table people (id text, age int8, city text)",
        "insert into people select 'p' || g, 20 + g % 50, null from generate_series(0, 99) g",
    )
    source = {"connection": "reports", "query": "select * from people order by age, id;"}
    job = ask(ana, dataset=None, source=source, sink=SINK)
    ingest_dataset(job.dataset_version_id)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.rows_done) == ("completed", 100)
    kept = job.dataset_version.source
    assert (kept["connection"], kept["query"]) == ("reports", source["query"].rstrip(";"))
    assert job.dataset.name.startswith("churn-source-")
    assert Dataset.objects.visible_to(ana).filter(pk=job.dataset_id).exists()
    assert len(in_the_table(postgres_elsewhere)) == 100


def test_a_query_that_is_refused_fails_the_job_with_the_column(
    ana: Principal,
    host: ObedientHost,
    postgres_elsewhere: PostgresPlace,
) -> None:
    connection_to(ana, postgres_elsewhere)
    source = {"connection": "reports", "query": "select 'x' as id, '1'::money as age"}
    job = ask(ana, dataset=None, source=source)
    ingest_dataset(job.dataset_version_id)
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "dataset-rejected")
    assert job.error["errors"][0]["column"] == "age"


def test_either_a_dataset_or_a_source_is_asked_for(ana: Principal) -> None:
    dataset_of(ana, people_rows(10))
    for values in ({"dataset": None}, {"source": {"prefix": "inbox/x"}}):
        with pytest.raises(InvalidField) as refused:
            ask(ana, **values)
        assert refused.value.pointer == "/dataset"
