"""Stories: batch jobs: results and rejects, waiting, ending early, trying again."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.flows.conftest import People
from tests.flows.stories import (
    CUSTOMERS,
    JOB_ENDED,
    churn,
    dataset,
    ended,
    job,
    ok,
    problem,
    refused_field,
    send_dataset,
    until,
)

# JSON keeps each value as it is, so that single rows can be wrong. Row 1 lacks its age.
MIXED = [
    {"id": 1, "age": 20, "income": 1.5, "city": "Rome"},
    {"id": 2, "age": None, "income": 1.0, "city": "Oslo"},
    {"id": 3, "age": 40, "income": None, "city": "Bern"},
    {"id": 4, "age": None, "income": 2.0, "city": "Rome"},
    {"id": 5, "age": 60, "income": 3.0, "city": None},
]


@pytest.fixture(scope="module")
def mixed(olga: httpx.Client) -> str:
    """Five rows, two of which lack a value that the model needs."""
    body = "\n".join(json.dumps(row) for row in MIXED).encode()
    dataset(olga, "batch-mixed", body, "mixed.jsonl")
    return "batch-mixed"


def table(answer: httpx.Response) -> pd.DataFrame:
    assert answer.status_code == 200, answer.text
    return pd.read_csv(io.BytesIO(answer.content))


def test_results_stand_beside_their_input_in_its_order_in_every_format(
    olga: httpx.Client, model: str, rows: str
) -> None:
    done = job(olga, model=model, dataset=rows, chunk_rows=2)

    assert (done["state"], done["progress"], done["error"]) == ("completed", 1.0, None)
    assert (done["rows_total"], done["rows_done"], done["rows_rejected"]) == (6, 6, 0)
    assert done["chunks"] == {"pending": 0, "leased": 0, "done": 3, "failed": 0}
    assert (done["model"], done["version"], done["dataset"]) == (model, 1, f"{rows}@1")
    found = table(olga.get(done["links"]["results"], params={"format": "csv"}))
    scored = ["prediction", "probability_no", "probability_yes"]
    assert list(found) == [*CUSTOMERS, *scored]
    pd.testing.assert_frame_equal(found[list(CUSTOMERS)], CUSTOMERS)
    assert found["prediction"].tolist() == churn().predict(CUSTOMERS).tolist()
    assert found[scored[1:]].to_numpy().tolist() == churn().predict_proba(CUSTOMERS).tolist()
    in_parquet = olga.get(done["links"]["results"], params={"format": "parquet"})
    assert pq.read_table(io.BytesIO(in_parquet.content)).column_names == list(found)
    lines = olga.get(done["links"]["results"], params={"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["city"] for line in lines] == CUSTOMERS["city"].tolist()
    wrong = olga.get(done["links"]["results"], params={"format": "xlsx"})
    problem(wrong, 400, "malformed-parameter")
    assert table(olga.get(done["links"]["rejects"])).empty


def test_rejected_rows_stand_in_the_rejects_alone(
    olga: httpx.Client, model: str, mixed: str
) -> None:
    done = job(olga, model=model, dataset=mixed, chunk_rows=2)

    assert done["state"] == "completed_with_rejects"
    assert (done["rows_total"], done["rows_done"], done["rows_rejected"]) == (5, 5, 2)
    assert table(olga.get(done["links"]["results"]))["id"].tolist() == [1, 3, 5]
    rejects = table(olga.get(done["links"]["rejects"]))
    assert list(rejects) == ["row", "id", "column", "code", "received"]
    assert rejects[["row", "id", "column", "code"]].to_numpy().tolist() == [
        [1, 2, "age", "null-not-allowed"],
        [3, 4, "age", "null-not-allowed"],
    ]
    again = ended(olga, olga.post(done["links"]["retry"]))
    assert (again["state"], again["rows_rejected"]) == ("completed_with_rejects", 2)


def test_the_output_is_a_dataset_with_its_lineage(
    olga: httpx.Client, model: str, rows: str
) -> None:
    done = job(olga, model=model, dataset=rows)

    assert done["output_dataset"] == f"{model}-job-{done['id']}"
    output = ok(olga.get(f"/datasets/{done['output_dataset']}"))
    assert (output["status"], output["rows"], output["sha256"]) == ("ready", 6, None)
    assert output["parents"] == [f"{rows}@1"]
    assert output["columns"][3]["name"] == "prediction"
    assert f"{done['output_dataset']}@1" in ok(olga.get(f"/datasets/{rows}/versions/1"))["children"]
    lineage = ok(olga.get(done["links"]["lineage"]))
    assert {p["name"] for p in lineage["parents"]} == {f"{model} version 1", f"{rows}@1"}
    assert [c["name"] for c in lineage["children"]] == [f"{done['output_dataset']}@1"]
    # What a job has made can be scored again, and is not overwritten by an upload.
    onward = job(olga, model=model, dataset=done["output_dataset"], keep_columns=["age"])
    assert onward["state"] == "completed"


def test_only_the_asked_columns_and_outputs_are_kept(
    olga: httpx.Client, model: str, rows: str
) -> None:
    done = job(olga, model=f"{model}@champion", dataset=f"{rows}@1",
               keep_columns=["city", "age"], outputs=["decision"])  # fmt: skip

    assert list(table(olga.get(done["links"]["results"]))) == ["age", "city", "decision"]


def test_a_job_that_takes_no_bad_row_fails_and_names_it(
    olga: httpx.Client, model: str, mixed: str
) -> None:
    failed = job(olga, model=model, dataset=mixed, on_row_error="fail")

    assert (failed["state"], failed["error"]["code"]) == ("failed", "invalid-rows")
    error = failed["error"]["errors"][0]
    assert (error["row"], error["column"], error["code"]) == (1, "age", "null-not-allowed")
    assert failed["output_dataset"] is None
    problem(olga.get(f"{failed['url']}/results"), 409, "state-conflict")
    problem(olga.post(f"{failed['url']}/cancel"), 409, "state-conflict")
    again = ended(olga, olga.post(f"{failed['url']}/retry"))
    assert again["state"] == "failed"


def many(rows: int) -> bytes:
    line = b"%d,%d,Rome\n"
    return b"age,income,city\n" + b"".join(line % (20 + i % 50, i % 7) for i in range(rows))


def test_a_job_waits_for_its_dataset_and_ends_when_it_is_cancelled(
    olga: httpx.Client, model: str
) -> None:
    sent = send_dataset(olga, "batch-many", many(150_000))
    assert ok(sent, 202)["status"] == "pending"
    taken = olga.post("/batch-jobs", json={"model": model, "dataset": "batch-many",
                                           "chunk_rows": 1_000})  # fmt: skip
    first = ok(taken, 202)
    assert (first["state"], first["rows_done"]) == ("queued", 0)
    url = taken.headers["Location"]
    problem(olga.get(f"{url}/results"), 409, "state-conflict")
    problem(olga.get(f"{url}/rejects"), 409, "state-conflict")
    problem(olga.post(f"{url}/retry"), 409, "state-conflict")
    running = until(olga, url, lambda found: found["state"] != "queued")
    assert (running["state"], running["rows_total"]) == ("running", 150_000)
    assert sum(running["chunks"].values()) == 150

    assert ok(olga.post(f"{url}/cancel"))["state"] == "cancelled"

    cancelled = ok(olga.get(url))
    assert cancelled["rows_done"] < 150_000
    assert cancelled["output_dataset"] is None
    problem(olga.get(f"{url}/results"), 409, "state-conflict")
    problem(olga.post(f"{url}/retry"), 409, "state-conflict")
    problem(olga.post(f"{url}/cancel"), 409, "state-conflict")


def test_a_job_fails_with_the_reason_of_its_dataset(olga: httpx.Client, model: str) -> None:
    sent = send_dataset(olga, "batch-ragged", many(60_000) + b"1,2\n")
    assert ok(sent, 202)["status"] == "pending"
    taken = olga.post("/batch-jobs", json={"model": model, "dataset": "batch-ragged"})

    failed = ended(olga, taken)

    assert (failed["state"], failed["error"]["code"]) == ("failed", "dataset-rejected")
    [error] = failed["error"]["errors"]
    assert (error["line"], error["code"]) == (60_002, "ragged-row")
    later = olga.post("/batch-jobs", json={"model": model, "dataset": "batch-ragged"})
    problem(later, 409, "state-conflict")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"model": "nowhere"}, 404, "model-not-found"),
        ({"model": "story@nobody"}, 404, "alias-not-found"),
        ({"version": 99}, 404, "version-not-found"),
        ({"dataset": "nowhere"}, 404, "dataset-not-found"),
        ({"dataset": "story-rows@9"}, 404, "version-not-found"),
    ],
)
def test_what_a_job_names_must_be_there(
    olga: httpx.Client, model: str, rows: str, changed: dict[str, Any], status: int, code: str
) -> None:
    body = {"model": model, "dataset": rows, **changed}

    problem(olga.post("/batch-jobs", json=body), status, code)


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"model": "story@3"}, "/model"),
        ({"model": "story@champion", "version": 1}, "/version"),
        ({"dataset": "story-rows@x"}, "/dataset"),
        ({"keep_columns": ["age", "shoe"]}, "/keep_columns/1"),
        ({"keep_columns": "some"}, "/keep_columns"),
        ({"on_row_error": "skip"}, "/on_row_error"),
        ({"outputs": ["transform"]}, "/outputs/0"),
        ({"outputs": []}, "/outputs"),
        ({"chunk_rows": 0}, "/chunk_rows"),
        ({"chunk_rows": "many"}, "/chunk_rows"),
        ({"chunks": 5}, "/chunks"),
        ({"dataset": None}, "/dataset"),
    ],
)
def test_what_is_wrong_with_a_job_is_pointed_at(
    olga: httpx.Client, model: str, rows: str, changed: dict[str, Any], pointer: str
) -> None:
    body = {"model": model, "dataset": rows, **changed}

    refused_field(olga.post("/batch-jobs", json=body), pointer)


def test_a_dataset_without_the_models_columns_is_refused_at_once(
    olga: httpx.Client, model: str
) -> None:
    dataset(olga, "batch-other", b"age,incomes,town\n1,2,Rome\n")

    refused = olga.post("/batch-jobs", json={"model": model, "dataset": "batch-other"})

    detail = refused_field(refused, "/dataset")["detail"]
    assert "`income` (nearest: `incomes`)" in detail


def test_jobs_are_listed_and_seen_by_who_sees_the_model(
    people: People, model: str, rows: str
) -> None:
    done = job(people.olga, model=model, dataset=rows, keep_columns=[])

    listed = ok(people.olga.get(f"/batch-jobs?model={model}&state=completed"))["results"]
    assert done["id"] in [found["id"] for found in listed]
    assert all(found["state"] in JOB_ENDED for found in listed)
    expanded = ok(people.olga.get(f"{done['url']}?expand=version.model,output_dataset"))
    assert expanded["version"]["model"]["name"] == model
    assert expanded["output_dataset"]["rows"] == 6
    ok(people.vera.get(done["url"]))
    problem(people.vera.post(f"{done['url']}/cancel"), 403, "not-allowed")
    for unknown in ("nope", done["id"][:-4] + "0000"):
        problem(people.olga.get(f"/batch-jobs/{unknown}"), 404, "job-not-found")
