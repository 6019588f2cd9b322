"""The doors of batch jobs, as clients meet them."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from registry.principals import Principal
from serving.actions.drive import drive
from serving.models import BatchChunk, BatchJob
from tests.people import Person, owner, stranger, team_mate
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> Person:
    """Owns the model churn and the dataset customers, of which row 3 has no age."""
    olga = owner()
    ledger.ready_version(olga.by)
    rows = ledger.people_rows(10)
    ages = pa.array([None if i == 3 else 38 + i for i in range(10)], pa.int64())
    ids = pa.array(["=1+1", *(f"p{i}" for i in range(1, 10))])
    rows = rows.set_column(1, "age", ages).set_column(0, "id", ids)
    ledger.dataset_of(olga.by, rows)
    return olga


def ask(client: Client, **values: Any) -> Any:
    body = {"model": "churn", "dataset": "customers"} | values
    return client.post("/api/v1/batch-jobs", body, content_type="application/json")


def finished(client: Client, **values: Any) -> str:
    """The path of a job that has run to its end."""
    path = ask(client, **values).json()["links"]["lineage"]
    drive(owner="w1")
    return "/api/v1/batch-jobs/" + path.rsplit("/", 1)[1]


def body_of(response: Any) -> bytes:
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def test_a_job_is_accepted_with_its_place(olga: Person) -> None:
    answer = ask(olga.client())
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == body["url"] == f"http://testserver/api/v1/batch-jobs/{body['id']}"
    expected = {
        "model": "churn",
        "version": 1,
        "ref": "churn",
        "dataset": "customers@1",
        "outputs": None,
        "keep_columns": "all",
        "on_row_error": "reject",
        "chunk_rows": 65_536,
        "state": "queued",
        "rows_total": 10,
        "rows_done": 0,
        "rows_rejected": 0,
        "progress": 0.0,
        "eta_s": None,
        "chunks": {"pending": 0, "leased": 0, "done": 0, "failed": 0},
        "paused_reason": None,
        "output_dataset": None,
        "error": None,
        "created_by": "olga",
        "started_at": None,
        "finished_at": None,
    }
    assert {key: body[key] for key in expected} == expected
    assert body["links"]["results"] is None


def test_progress_is_by_rows(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    url = ask(client, chunk_rows=4).json()["url"]
    drive(owner="w1", budget_s=0)
    body = client.get(url).json()
    assert (body["state"], body["rows_done"], body["progress"]) == ("running", 4, 0.4)
    assert body["chunks"] == {"pending": 2, "leased": 0, "done": 1, "failed": 0}
    assert isinstance(body["eta_s"], int)
    drive(owner="w1")
    body = client.get(url).json()
    assert (body["state"], body["rows_done"]) == ("completed_with_rejects", 10)
    assert (body["rows_rejected"], body["progress"], body["eta_s"]) == (1, 1.0, None)
    assert body["output_dataset"] == f"churn-job-{body['id']}"


def test_results_come_in_every_format_in_the_order_of_the_rows(
    olga: Person, host: ObedientHost
) -> None:
    client = olga.client()
    path = finished(client, chunk_rows=4)
    text = body_of(client.get(f"{path}/results")).decode()
    header, *lines = csv.reader(io.StringIO(text))
    assert header == ["id", "age", "city", "prediction", "probability_no", "probability_yes"]
    assert [line[0] for line in lines] == ["=1+1", *(f"p{i}" for i in (1, 2, 4, 5, 6, 7, 8, 9))]
    assert lines[1][:4] == ["p1", "39", "town 1", "no"]
    table = pq.read_table(io.BytesIO(body_of(client.get(f"{path}/results?format=parquet"))))
    rows = [
        json.loads(line)
        for line in body_of(client.get(f"{path}/results?format=jsonl")).splitlines()
    ]
    assert table.to_pylist() == rows
    assert [row["id"] for row in rows] == [line[0] for line in lines]


def test_two_downloads_have_the_same_bytes(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    path = finished(client, chunk_rows=4)
    for format in ("csv", "parquet", "jsonl"):
        url = f"{path}/results?format={format}"
        assert body_of(client.get(url)) == body_of(client.get(url))


def test_texts_that_look_like_formulas_are_kept_apart_in_a_browser_only(
    olga: Person, host: ObedientHost
) -> None:
    client = olga.client()
    path = finished(client)
    assert b"\r\n=1+1," in body_of(client.get(f"{path}/results"))
    assert b"\r\n'=1+1," in body_of(client.get(f"{path}/results?safe=1"))
    assert b"\r\n'=1+1," in body_of(olga.session().get(f"{path}/results"))


def test_rejects_say_which_cell_and_why(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    path = finished(client)
    assert body_of(client.get(f"{path}/rejects")).decode().splitlines() == [
        "row,id,column,code,received",
        "3,p3,age,null-not-allowed,null",
    ]


def test_rejects_of_a_job_without_any_are_a_header(olga: Person, host: ObedientHost) -> None:
    ledger.dataset_of(olga.by, ledger.people_rows(2), "clean")
    client = olga.client()
    path = finished(client, dataset="clean")
    assert body_of(client.get(f"{path}/rejects")) == b"row,id,column,code,received\r\n"
    assert body_of(client.get(f"{path}/rejects?format=jsonl")) == b""


@pytest.mark.parametrize("rows", ["results", "rejects"])
def test_before_the_end_there_is_a_conflict(olga: Person, rows: str) -> None:
    client = olga.client()
    url = ask(client).json()["url"]
    answer = client.get(f"{url}/{rows}")
    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")


def test_cancel_and_retry_answer_with_the_job(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    url = ask(client).json()["url"]
    key = {"Idempotency-Key": "stop"}
    for replayed in (False, True):
        answer = client.post(f"{url}/cancel", headers=key)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert answer.has_header("Idempotency-Replayed") is replayed
    assert client.post(f"{url}/cancel").status_code == 409
    answer = client.post(f"{url}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    path = finished(client)
    answer = client.post(f"{path}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")


@pytest.mark.parametrize(
    ("values", "pointer", "said"),
    [
        ({"chunk_rows": "100"}, "/chunk_rows", "whole number"),
        ({"chunk_rows": 0}, "/chunk_rows", "1"),
        ({"chunk_rows": True}, "/chunk_rows", "whole number"),
        ({"version": "1"}, "/version", "whole number"),
        ({"outputs": "prediction"}, "/outputs", "list"),
        ({"outputs": [1]}, "/outputs/0", "text"),
        ({"keep_columns": {"id": 1}}, "/keep_columns", "list"),
        ({"keep_columns": None}, "/keep_columns", ""),
        ({"on_row_error": "ignore"}, "/on_row_error", "reject, fail"),
        ({"model": 5}, "/model", "text"),
        ({"dataset": 5}, "/dataset", "text"),
        ({"dataset": None}, "/dataset", "Either dataset or source"),
        ({"chunkrows": 100}, "/chunkrows", "chunk_rows"),
    ],
)
def test_a_body_is_read_strictly(
    olga: Person, values: dict[str, Any], pointer: str, said: str
) -> None:
    answer = ask(olga.client(), **values)
    body = answer.json()
    assert (answer.status_code, body["code"], body["pointer"]) == (422, "invalid-field", pointer)
    assert said in body["detail"]
    assert not BatchJob.objects.exists()


def test_the_same_key_asks_once(olga: Person) -> None:
    client = olga.client()
    headers = {"Idempotency-Key": "monday"}
    body = {"model": "churn", "dataset": "customers"}
    first, second = (
        client.post("/api/v1/batch-jobs", body, content_type="application/json", headers=headers)
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert second["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == second.json()["id"]
    assert BatchJob.objects.count() == 1


def test_the_list_is_narrowed_ordered_and_expanded(
    olga: Person, host: ObedientHost, django_assert_max_num_queries: Any
) -> None:
    client = olga.client()
    old, new = (ask(client).json()["id"] for _ in range(2))
    drive(owner="w1")
    waiting = ask(client).json()["id"]

    def ids(query: str) -> list[str]:
        answer = client.get(f"/api/v1/batch-jobs{query}")
        assert answer.status_code == 200, answer.content
        return [job["id"] for job in answer.json()["results"]]

    assert ids("") == [waiting, new, old]
    assert ids("?ordering=created_at") == [old, new, waiting]
    assert ids("?state=queued") == [waiting]
    assert ids("?model=CHURN&dataset=customers") == [waiting, new, old]
    assert ids("?model=other") == []
    assert ids("?search=chu") == [waiting, new, old]
    assert ids("?search=nobody") == []
    assert ids("?schedule=nightly") == []
    with django_assert_max_num_queries(24):
        expanded = client.get(
            "/api/v1/batch-jobs?expand=model,version,dataset.dataset,output_dataset"
        ).json()["results"][1]
    assert expanded["model"]["name"] == "churn"
    assert expanded["dataset"]["dataset"]["name"] == "customers"
    assert expanded["output_dataset"]["name"] == f"churn-job-{new}"
    jobs = client.get("/api/v1/models/churn?expand=batch_jobs").json()["batch_jobs"]
    assert [job["id"] for job in jobs] == [waiting, new, old]


@pytest.mark.parametrize("query", ["state=stuck", "stat=queued", "ordering=rows", "page=x"])
def test_a_parameter_that_is_not_known_is_refused(olga: Person, query: str) -> None:
    answer = olga.client().get(f"/api/v1/batch-jobs?{query}")
    assert answer.status_code in (400, 404)


def test_results_in_an_unknown_format_are_refused(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    answer = client.get(f"{finished(client)}/results?format=xlsx")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


@pytest.mark.parametrize(
    ("method", "door"),
    [
        ("get", ""),
        ("get", "/results"),
        ("get", "/rejects"),
        ("post", "/cancel"),
        ("post", "/retry"),
    ],
)
def test_a_stranger_finds_nothing_and_nobody_finds_what_is_not_there(
    olga: Person, host: ObedientHost, method: str, door: str
) -> None:
    path = finished(olga.client())
    assert getattr(stranger().client(), method)(path + door).status_code == 404
    for unknown in (str(uuid.uuid4()), "17", "%00"):
        answer = getattr(olga.client(), method)(f"/api/v1/batch-jobs/{unknown}{door}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")


def test_a_team_mate_with_a_narrow_key_sees_only_its_models(
    olga: Person, host: ObedientHost
) -> None:
    job = BatchJob.objects.get(pk=ask(olga.client()).json()["id"])
    other = ledger.ready_version(Principal(olga.user), "other").model
    mate = team_mate(job.model, job.dataset, other)
    assert mate.client().get(f"/api/v1/batch-jobs/{job.pk}").status_code == 200
    assert mate.client(models=["other"]).get(f"/api/v1/batch-jobs/{job.pk}").status_code == 404
    assert ask(mate.client(scopes=["read"])).status_code == 403
    assert ask(mate.client(scopes=["score"])).status_code == 202


def test_lineage_leads_through_the_job(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    path = finished(client)
    job = client.get(path).json()
    lineage = client.get(job["links"]["lineage"]).json()
    assert [step["name"] for step in lineage["parents"]] == ["churn version 1", "customers@1"]
    assert [step["name"] for step in lineage["children"]] == [f"{job['output_dataset']}@1"]
    output = client.get(lineage["children"][0]["lineage"]).json()
    assert path.rsplit("/", 1)[1] in [step["id"] for step in output["parents"]]


def test_a_failed_job_says_why(olga: Person, host: ObedientHost) -> None:
    client = olga.client()
    path = finished(client, on_row_error="fail")
    body = client.get(path).json()
    assert (body["state"], body["error"]["code"]) == ("failed", "invalid-rows")
    assert body["error"]["errors"][0]["row"] == 3
    assert client.get(f"{path}/results").status_code == 409


def test_a_paused_job_says_why(olga: Person) -> None:
    client = olga.client()
    url = ask(client).json()["url"]
    drive(owner="w1")  # no model host listens in this test
    body = client.get(url).json()
    assert (body["state"], body["paused_reason"]) == ("running", "model-unavailable")
    assert BatchChunk.objects.get().failures == 0
