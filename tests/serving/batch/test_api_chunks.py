"""The doors of a job's chunks and of its comparison, for the owner, a team-mate and a stranger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from registry.models import Dataset, ModelVersion, RegisteredModel
from serving.actions import scoring
from serving.actions.drive import drive
from serving.api.batch_chunks import JobComparisonOut
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.chunk_attempt import AttemptOutcome
from tests.people import Person, owner, stranger, team_mate
from tests.serving.batch import ledger
from tests.serving.batch.test_comparing import TwoHosts, add_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> Person:
    """Owns the model churn with two versions, and the dataset customers of 10 rows."""
    olga = owner()
    ledger.ready_version(olga.by)
    ledger.dataset_of(olga.by, ledger.people_rows(10))
    return olga


@pytest.fixture
def second(olga: Person) -> ModelVersion:
    return add_version(olga.by)


@pytest.fixture(autouse=True)
def host(second: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> TwoHosts:
    two = TwoHosts(second)
    monkeypatch.setattr(scoring, "host", lambda: two)
    return two


def ask(client: Client, **values: Any) -> Any:
    body = {"model": "churn", "dataset": "customers"} | values
    return client.post("/api/v1/batch-jobs", body, content_type="application/json")


def path_of(job: dict[str, Any]) -> str:
    return f"/api/v1/batch-jobs/{job['id']}"


def test_a_job_says_what_it_was_asked_with(olga: Person) -> None:
    job = ask(olga.client(), compare_with="@challenger", priority=3).json()
    assert (job["compare_with"], job["priority"], job["sink"], job["paused"]) == (2, 3, None, None)
    plain = ask(olga.client(), compare_with=None).json()
    assert (plain["compare_with"], plain["priority"]) == (None, 0)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"priority": 11}, "/priority"),
        ({"priority": "5"}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"compare_with": 1}, "/compare_with"),
        ({"compare_with": {"version": 2}}, "/compare_with"),
        ({"compare_with": "@"}, "/compare_with"),
    ],
)
def test_what_cannot_be_meant_is_named(olga: Person, asked: dict[str, Any], pointer: str) -> None:
    refused = ask(olga.client(), **asked)
    assert (refused.status_code, refused.json()["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("other", "status", "code"), [(9, 404, "version-not-found"), ("@gone", 404, "alias-not-found")]
)
def test_an_unknown_version_cannot_be_compared_with(
    olga: Person, other: Any, status: int, code: str
) -> None:
    refused = ask(olga.client(), compare_with=other)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_scorer_cannot_push_ahead(olga: Person) -> None:
    mate = team_mate(RegisteredModel.objects.get(), Dataset.objects.get(), role="scorer")
    refused = ask(mate.client(), priority=1)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    assert ask(mate.client(), priority=-1).status_code == 202


def test_a_comparison_is_there_when_the_job_has_ended(olga: Person) -> None:
    client = olga.client()
    job = ask(client, compare_with=2).json()
    early = client.get(f"{path_of(job)}/comparison")
    assert (early.status_code, early.json()["code"]) == (409, "state-conflict")
    assert job["links"]["comparison"] is None
    drive(owner="w1")
    ended = client.get(path_of(job)).json()
    report = client.get(f"{path_of(job)}/comparison").json()
    assert ended["links"]["comparison"].endswith(f"{job['id']}/comparison")
    assert (report["rows"], report["version"], report["compared_with"]) == (10, 1, 2)
    assert report["movers"][0]["keys"].keys() == {"id"}
    assert stranger().client().get(f"{path_of(job)}/comparison").status_code == 404


def test_a_report_has_the_members_that_are_described(olga: Person) -> None:
    client = olga.client()
    job = ask(client, compare_with=2).json()
    drive(owner="w1")
    report = client.get(f"{path_of(job)}/comparison").json()
    assert json.loads(json.dumps(JobComparisonOut(report).data)) == report


def test_a_job_without_a_comparison_has_none(olga: Person) -> None:
    client = olga.client()
    job = ask(client).json()
    drive(owner="w1")
    answer = client.get(f"{path_of(job)}/comparison")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_who_may_not_read_the_rows_is_shown_no_cells(olga: Person) -> None:
    job = ask(olga.client(), compare_with=2).json()
    drive(owner="w1")
    row = BatchJob.objects.get(pk=job["id"])
    mate = team_mate(RegisteredModel.objects.get(), role="viewer")
    # As its creator the team-mate sees the job, though not the dataset.
    BatchJob.objects.filter(pk=row.pk).update(created_by=mate.by.user)
    answer = mate.client().get(f"{path_of(job)}/comparison")
    assert answer.status_code == 200
    assert all(mover["keys"] == {} for mover in answer.json()["movers"])


def test_chunks_come_in_row_order_with_their_attempts(olga: Person) -> None:
    client = olga.client()
    job = ask(client, chunk_rows=3).json()
    drive(owner="w1")
    first = BatchChunk.objects.get(job=job["id"], index=0)
    ChunkAttempt.objects.create(
        chunk=first, attempt=9, worker="w0", outcome=AttemptOutcome.LOST, signal=9
    )
    listed = client.get(f"{path_of(job)}/chunks").json()
    assert listed["count"] == 4
    assert [chunk["row_start"] for chunk in listed["results"]] == [0, 3, 6, 9]
    done, lost = listed["results"][0]["attempts"]
    assert (done["worker"], done["outcome"], done["signal"]) == ("w1", "done", None)
    assert done["max_memory_bytes"] > 0
    assert done["cpu_s"] >= 0
    assert (lost["worker"], lost["outcome"], lost["signal"]) == ("w0", "lost", 9)
    assert (lost["cpu_s"], lost["max_memory_bytes"], lost["phases"]) == (None, None, None)


def test_chunks_are_narrowed_by_state(olga: Person) -> None:
    client = olga.client()
    job = ask(client, chunk_rows=3).json()
    drive(owner="w1")
    BatchChunk.objects.filter(job=job["id"], index__lt=2).update(state="failed")
    listed = client.get(f"{path_of(job)}/chunks?state=failed").json()
    assert [chunk["index"] for chunk in listed["results"]] == [0, 1]
    assert client.get(f"{path_of(job)}/chunks?state=nowhere").status_code == 400
    assert stranger().client().get(f"{path_of(job)}/chunks").status_code == 404


def test_chunks_cost_few_queries_however_many_there_are(
    olga: Person, django_assert_max_num_queries: Any
) -> None:
    client = olga.client()
    job = ask(client, chunk_rows=1).json()
    drive(owner="w1")
    with django_assert_max_num_queries(12):
        listed = client.get(f"{path_of(job)}/chunks?page_size=200").json()
    assert len(listed["results"]) == 10


def test_rows_under_way_count_as_scored(olga: Person) -> None:
    client = olga.client()
    job = ask(client, chunk_rows=3).json()
    drive(owner="w1", budget_s=0)
    lease = {"state": "leased", "attempt": 1, "lease_until": "2099-01-01T00:00Z", "rows_scored": 2}
    BatchChunk.objects.filter(job=job["id"], index=1).update(**lease)
    shown = client.get(path_of(job)).json()
    assert (shown["rows_done"], shown["rows_scored"]) == (3, 5)
    assert shown["chunks"] == {"pending": 2, "leased": 1, "done": 1, "failed": 0}
