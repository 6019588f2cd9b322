"""The doors of schedules, as clients meet them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from registry.models import Connection, Dataset, Grant
from serving.actions.ticking import tick
from serving.models import BatchJob, Schedule
from tests.people import Person, owner, stranger
from tests.serving.batch import ledger
from tests.serving.batch.test_comparing import add_version

pytestmark = pytest.mark.django_db

URL = "/api/v1/schedules"


@pytest.fixture
def olga(db: None) -> Person:
    olga = owner()
    ledger.ready_version(olga.by)
    ledger.dataset_of(olga.by, ledger.people_rows(10))
    return olga


def make(client: Client, **values: Any) -> Any:
    body = {"name": "nightly", "model": "churn", "dataset": "customers", "cron": "30 2 * * *"}
    return client.post(URL, body | values, content_type="application/json")


def test_a_schedule_answers_with_its_next_five_runs(olga: Person) -> None:
    answer = make(olga.client(), timezone="Europe/Rome", missed="run-once")
    body = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == body["url"] == f"http://testserver{URL}/nightly"
    expected = {
        "name": "nightly",
        "model": "churn",
        "version": None,
        "dataset": "customers",
        "keep_columns": "all",
        "cron": "30 2 * * *",
        "timezone": "Europe/Rome",
        "overlap": "skip",
        "missed": "run-once",
        "enabled": True,
        "created_by": "olga",
    }
    assert {key: body[key] for key in expected} == expected
    runs = [datetime.fromisoformat(run) for run in body["next_runs"]]
    assert [(run.hour, run.minute) for run in runs] == [(2, 30)] * 5
    assert all(run.utcoffset() in (timedelta(hours=1), timedelta(hours=2)) for run in runs)
    assert runs[0] > datetime.now(UTC)


def test_words_are_written_out(olga: Person) -> None:
    assert make(olga.client(), cron="@weekly").json()["cron"] == "0 0 * * 0"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"cron": "0 30 2 * * *"}, "/cron"),
        ({"cron": "@reboot"}, "/cron"),
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": 5}, "/cron"),
        ({"timezone": "Europe/Roma"}, "/timezone"),
        ({"overlap": "wait"}, "/overlap"),
        ({"missed": "run_once"}, "/missed"),
        ({"enabled": "true"}, "/enabled"),
        ({"name": "a b"}, "/name"),
        ({"model": "churn@3"}, "/model"),
        ({"zone": "UTC"}, "/zone"),
    ],
)
def test_a_body_is_read_strictly(olga: Person, values: dict[str, Any], pointer: str) -> None:
    answer = make(olga.client(), **values)
    body = answer.json()
    assert (answer.status_code, body["code"], body["pointer"]) == (422, "invalid-field", pointer)
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"model": "nothing"}, 404, "model-not-found"),
        ({"dataset": "nothing"}, 404, "dataset-not-found"),
    ],
)
def test_what_is_named_must_be_there(
    olga: Person, values: dict[str, Any], status: int, code: str
) -> None:
    answer = make(olga.client(), **values)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_name_is_taken_for_ever(olga: Person) -> None:
    client = olga.client()
    make(client)
    assert client.delete(f"{URL}/nightly").status_code == 204
    assert client.get(f"{URL}/nightly").json()["code"] == "schedule-not-found"
    answer = make(client, name="NIGHTLY")
    assert (answer.status_code, answer.json()["code"]) == (409, "name-taken")


def test_a_change_answers_with_other_runs(olga: Person) -> None:
    client = olga.client()
    before = make(client).json()["next_runs"]
    answer = client.patch(f"{URL}/Nightly", {"cron": "0 6 * * *"}, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["next_runs"] != before
    resting = client.patch(
        f"{URL}/nightly", {"enabled": False}, content_type="application/json"
    ).json()
    assert (resting["enabled"], resting["next_runs"]) == (False, [])
    renamed = client.patch(f"{URL}/nightly", {"name": "daily"}, content_type="application/json")
    assert renamed.status_code == 422


def test_run_now_answers_with_the_job_and_leaves_a_slot(olga: Person) -> None:
    client = olga.client()
    make(client)
    answer = client.post(f"{URL}/nightly/run-now")
    assert answer.status_code == 202
    job = answer.json()
    assert answer["Location"] == job["url"]
    (slot,) = client.get(f"{URL}/nightly/slots").json()["results"]
    assert (slot["state"], slot["is_manual"], slot["batch_job"]) == ("started", True, job["id"])
    jobs = client.get("/api/v1/batch-jobs?schedule=nightly").json()["results"]
    assert [job["id"] for job in jobs] == [job["id"]]


def test_a_skipped_slot_shows_its_reason(olga: Person) -> None:
    client = olga.client()
    make(client, cron="* * * * *")
    schedule = Schedule.objects.get()
    tick(schedule.next_due + timedelta(seconds=1))
    tick(schedule.next_due + timedelta(seconds=61))
    slots = client.get(f"{URL}/nightly/slots?expand=batch_job").json()["results"]
    assert [slot["state"] for slot in slots] == ["skipped", "started"]
    assert slots[0]["reason"].startswith("overlap")
    assert slots[1]["batch_job"]["model"] == "churn"


def test_the_list_is_narrowed(olga: Person) -> None:
    client = olga.client()
    make(client)
    make(client, name="weekly", enabled=False)

    def names(query: str) -> list[str]:
        return [row["name"] for row in client.get(f"{URL}{query}").json()["results"]]

    assert names("") == ["weekly", "nightly"]
    assert names("?ordering=name") == ["nightly", "weekly"]
    assert names("?enabled=true") == ["nightly"]
    assert names("?model=churn&search=week") == ["weekly"]
    assert names("?model=other") == []


def test_a_stranger_finds_nothing_and_a_key_to_read_changes_nothing(olga: Person) -> None:
    make(olga.client())
    assert stranger().client().get(f"{URL}/nightly").status_code == 404
    reader = olga.client(scopes=["read"])
    assert reader.get(f"{URL}/nightly").status_code == 200
    assert reader.delete(f"{URL}/nightly").status_code == 403
    assert reader.post(f"{URL}/nightly/run-now").status_code == 403
    assert not BatchJob.objects.exists()


QUERY = {"connection": "shop", "query": "select id, age, city from customers order by id"}
TABLE = {"connection": "shop", "table": "scores"}


@pytest.fixture
def shop(olga: Person) -> Connection:
    row = Connection.objects.create(
        name="shop",
        driver="postgresql",
        address="postgresql://reader@127.0.0.1:5432/shop",
        allows_writing=True,
        owner=olga.user,
    )
    Grant.objects.create(user=olga.user, role="publisher", connection=row)
    return row


def test_a_schedule_reads_a_query_and_writes_a_table(olga: Person, shop: Connection) -> None:
    client = olga.client()
    answer = make(client, dataset=None, source=QUERY, sink=TABLE, priority=2)
    body = answer.json()
    assert answer.status_code == 201
    assert (body["dataset"], body["links"]["dataset"]) == (None, None)
    assert (body["source"], body["sink"], body["priority"]) == (QUERY, TABLE, 2)
    assert Dataset.objects.count() == 1

    for _ in range(2):
        job = client.post(f"{URL}/nightly/run-now").json()
        assert (job["sink"], job["priority"]) == (TABLE, 2)
        read = BatchJob.objects.get(pk=job["id"]).dataset_version
        assert read.source == QUERY
    assert Dataset.objects.count() == 3


def test_what_a_schedule_reads_is_replaced(olga: Person, shop: Connection) -> None:
    client = olga.client()
    make(client, sink=TABLE)

    def change(**values: Any) -> Any:
        return client.patch(f"{URL}/nightly", values, content_type="application/json").json()

    read = change(source=QUERY)
    assert (read["dataset"], read["source"], read["sink"]) == (None, QUERY, TABLE)
    back = change(dataset="customers", sink=None)
    assert (back["dataset"], back["source"], back["sink"]) == ("customers", None, None)
    assert change(dataset=None)["pointer"] == "/dataset"
    assert change(dataset="customers", source=QUERY)["pointer"] == "/dataset"


@pytest.mark.parametrize(
    ("values", "status", "where"),
    [
        ({"source": {**QUERY, "query": " ; "}}, 422, "/source/query"),
        ({"source": {**QUERY, "connection": "till"}}, 404, None),
        ({"source": {"prefix": "elsewhere/"}}, 422, "/source/prefix"),
        ({"sink": {"connection": "shop"}, "dataset": "customers"}, 422, "/sink/table"),
        ({"sink": {**TABLE, "connection": "till"}, "dataset": "customers"}, 404, None),
        ({"priority": 11, "dataset": "customers"}, 422, "/priority"),
        ({}, 422, "/dataset"),
    ],
)
def test_where_rows_come_from_and_go_to_is_checked_when_it_is_written(
    olga: Person, shop: Connection, values: dict[str, Any], status: int, where: str | None
) -> None:
    answer = make(olga.client(), **({"dataset": None} | values))
    assert (answer.status_code, answer.json().get("pointer")) == (status, where)
    assert not Schedule.objects.exists()


def test_a_run_that_cannot_start_is_told_by_the_schedule_until_one_can(
    olga: Person, shop: Connection
) -> None:
    client = olga.client()
    make(client, dataset=None, source=QUERY, cron="* * * * *", overlap="allow")
    schedule = Schedule.objects.get()
    Connection.objects.update(allows_reading=False)
    tick(schedule.next_due + timedelta(seconds=1))
    told = client.get(f"{URL}/nightly").json()
    (slot,) = client.get(f"{URL}/nightly/slots").json()["results"]
    assert told["error"] == slot["reason"]
    assert "shop" in told["error"]
    assert told["error"].startswith("state-conflict: ")
    assert told["error_at"] is not None

    Connection.objects.update(allows_reading=True)
    assert tick(schedule.next_due + timedelta(seconds=61)) == 1
    told = client.get(f"{URL}/nightly").json()
    assert (told["error"], told["error_at"]) == (None, None)


def test_a_run_has_the_rights_on_the_connection_that_its_maker_has_then(
    olga: Person, shop: Connection
) -> None:
    client = olga.client()
    make(client, dataset=None, source=QUERY, cron="* * * * *")
    Grant.objects.filter(connection=shop).update(role="viewer")
    assert tick(Schedule.objects.get().next_due + timedelta(seconds=1)) == 0
    assert client.get(f"{URL}/nightly").json()["error"].startswith("not-allowed: ")
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(("compared", "shown"), [("@champion", "@champion"), (1, 1), ("1", 1)])
def test_a_schedule_compares_two_versions(olga: Person, compared: object, shown: object) -> None:
    second = add_version(olga.by)
    client = olga.client()
    body = make(client, version=second.number, compare_with=compared).json()
    assert body["compare_with"] == shown
    assert client.post(f"{URL}/nightly/run-now").json()["compare_with"] == 1
    off = client.patch(f"{URL}/nightly", {"compare_with": None}, content_type="application/json")
    assert off.json()["compare_with"] is None
    assert client.post(f"{URL}/nightly/run-now").json()["compare_with"] is None


def test_a_comparison_that_has_become_one_with_itself_is_a_reason_to_skip(olga: Person) -> None:
    second = add_version(olga.by)
    client = olga.client()
    make(client, model="churn@challenger", compare_with="@champion", cron="* * * * *")
    second.model.aliases.filter(name="champion").update(version=second)
    assert tick(Schedule.objects.get().next_due + timedelta(seconds=1)) == 0
    assert "compared with itself" in client.get(f"{URL}/nightly").json()["error"]


def test_another_model_forgets_the_numbers_of_the_old_one(olga: Person) -> None:
    second = add_version(olga.by)
    ledger.ready_version(olga.by, "other")
    client = olga.client()
    make(client, version=second.number, compare_with=1)
    changed = client.patch(f"{URL}/nightly", {"model": "other"}, content_type="application/json")
    assert (changed.json()["version"], changed.json()["compare_with"]) == (None, None)
