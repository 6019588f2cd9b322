"""An archived model behind the doors: nobody calls it, lists leave it out, and it comes back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from registry.actions.archiving import archive_model, unarchive_model
from registry.models import RegisteredModel
from registry.principals import Principal
from serving.actions.drive import drive
from serving.actions.ticking import tick
from serving.models import BatchJob, Schedule
from tests.people import Person, owner, stranger, team_mate
from tests.serving.api.doors import express_door
from tests.serving.api.requests import Asked, with_key
from tests.serving.batch import ledger
from tests.serving.batch.test_worker_death import end_waits
from tests.things import model_file

API = "/api/v1"
ROWS = {"instances": [{"age": 42, "city": "Rome"}]}
TENSORS = {
    "inputs": [
        {"name": "age", "shape": [1], "datatype": "INT64", "data": [42]},
        {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Rome"]},
    ]
}


@pytest.fixture
def olga(db: None) -> Person:
    olga = owner()
    ledger.ready_version(olga.by)
    ledger.dataset_of(olga.by, ledger.people_rows(10))
    return olga


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


CALLS = [
    (f"{API}/models/churn/predict", ROWS),
    (f"{API}/models/churn@champion/predict", ROWS),
    (f"{API}/models/churn/versions/1/predict", ROWS),
    (f"{API}/batch-jobs", {"model": "churn", "dataset": "customers"}),
    (
        f"{API}/schedules",
        {"name": "n", "model": "churn", "dataset": "customers", "cron": "@daily"},
    ),
]


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize(("path", "body"), CALLS)
def test_what_calls_an_archived_model_is_told_so(
    olga: Person, host: ledger.ObedientHost, path: str, body: Any
) -> None:
    client = olga.client()
    assert post(client, f"{API}/models/churn/archive").json()["archived_at"] is not None
    told = post(client, path, body)
    assert (told.status_code, told.json()["code"]) == (409, "version-not-servable")
    assert "“churn” is archived" in told.json()["detail"]
    assert post(client, f"{API}/models/churn/unarchive").json()["archived_at"] is None
    assert post(client, path, body).status_code in (200, 201, 202)


@pytest.mark.usefixtures("one_connection")
def test_other_dialects_and_the_route_are_told_too(olga: Person, host: ledger.ObedientHost) -> None:
    client = olga.client()
    route = {"targets": [{"version": 1, "weight": 100}], "mirror": []}
    put = {"content_type": "application/json"}
    assert client.put(f"{API}/models/churn/route", route, **put).status_code == 200
    post(client, f"{API}/models/churn/archive")
    assert post(client, f"{API}/models/churn/predict", ROWS).status_code == 409
    assert post(client, "/v2/models/churn/infer", TENSORS).status_code == 409
    assert client.get("/v2/models/churn/ready").json()["ready"] is False
    invoked = post(client, "/endpoints/churn/invocations", {"dataframe_records": [ROWS]})
    assert invoked.status_code == 409
    assert client.delete(f"{API}/models/churn/route").json()["code"] == "state-conflict"
    changed = client.put(f"{API}/models/churn/route", route, **put)
    assert changed.json()["code"] == "version-not-servable"
    assert client.get(f"{API}/models/churn/route").json()["targets"]


def test_lists_leave_it_out_unless_it_is_asked_for(olga: Person) -> None:
    ledger.ready_version(olga.by, "other")
    client = olga.client()

    def names(query: str = "") -> list[str]:
        return [m["name"] for m in client.get(f"{API}/models{query}").json()["results"]]

    post(client, f"{API}/models/churn/archive")
    assert names() == names("?archived=false") == ["other"]
    assert names("?archived=true") == ["churn"]
    assert client.get(f"{API}/models/churn").json()["archived_at"] is not None
    endpoints = client.get("/api/2.0/endpoints/").json()["endpoints"]
    assert [endpoint["name"] for endpoint in endpoints] == ["other"]
    index = post(client, "/v2/repository/index").json()
    assert [version["name"] for version in index] == ["other"]


def test_only_who_publishes_archives_and_only_once(olga: Person) -> None:
    client = olga.client()
    mate = team_mate(RegisteredModel.objects.get()).client()
    assert post(mate, f"{API}/models/churn/archive").status_code == 403
    assert post(stranger().client(), f"{API}/models/churn/archive").status_code == 404
    assert post(client, f"{API}/models/churn/unarchive").json()["code"] == "state-conflict"
    post(client, f"{API}/models/churn/archive")
    assert post(client, f"{API}/models/churn/archive").json()["code"] == "state-conflict"
    upload = client.post(f"{API}/models/churn/versions", {"artifact": model_file()})
    assert upload.json()["code"] == "state-conflict"


@pytest.mark.django_db(transaction=True)
def test_a_warm_call_on_the_express_lane_is_refused_at_once(
    keys: dict[str, str], host: ledger.ObedientHost
) -> None:
    door, _ = express_door()
    asked = with_key(Asked(), keys)
    assert door.ask(asked).code == 200
    model = RegisteredModel.objects.get(name="churn")
    by = Principal(model.owner)
    archive_model(by=by, model=model)
    assert door.ask(asked).code == 409
    unarchive_model(by=by, model=model)
    assert door.ask(asked).code == 200


@pytest.mark.django_db
def test_a_schedule_skips_with_the_reason_and_goes_on_afterwards(
    olga: Person, host: ledger.ObedientHost
) -> None:
    client = olga.client()
    body = {"name": "n", "model": "churn", "dataset": "customers", "cron": "* * * * *"}
    assert post(client, f"{API}/schedules", body).status_code == 201
    post(client, f"{API}/models/churn/archive")
    due = Schedule.objects.get().next_due
    assert due is not None
    assert tick(due + timedelta(seconds=1)) == 0
    told = client.get(f"{API}/schedules/n").json()
    assert told["error"] == "version-not-servable: The model “churn” is archived."
    post(client, f"{API}/models/churn/unarchive")
    assert tick(due + timedelta(seconds=61)) == 1


@pytest.mark.django_db
def test_a_job_that_has_not_ended_fails_and_runs_again_afterwards(
    olga: Person, host: ledger.ObedientHost
) -> None:
    job = ledger.ask(olga.by)
    client = olga.client()
    post(client, f"{API}/models/churn/archive")
    for _ in range(4):
        end_waits()
        drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "version-not-servable")
    post(client, f"{API}/models/churn/unarchive")
    assert post(client, f"{API}/batch-jobs/{job.pk}/retry").status_code == 202
    drive(owner="w1")
    assert BatchJob.objects.get(pk=job.pk).state == "completed"
