"""Doors of Open Inference and invocations: who may ask, what each is told, in which words."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from registry.api import health
from registry.models import ModelVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("host")]

TENSORS = {
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [2, 1], "data": [42, 7]},
        {"name": "city", "datatype": "BYTES", "shape": [2], "data": ["Rome", None]},
    ]
}
RECORDS = {"dataframe_records": [{"age": 42, "city": "Rome"}, {"age": 7}]}
SIGNED = "AWS4-HMAC-SHA256 Credential={}/20260101/eu-south-1/sagemaker/aws4_request, Signature=0"
INFER, INVOKE = "/v2/models/churn/infer", "/endpoints/churn/invocations"


@pytest.fixture(autouse=True)
def _no_cache(one_connection: None) -> None:
    """Requests share the test's transaction."""


def ask(path: str, key: str | None = None, body: Any = None, **headers: str) -> Any:
    """A call with a key, or with an Authorization of its own; a body makes it a POST."""
    if key is not None:
        headers["Authorization"] = key if " " in key else f"Bearer {key}"
    client = Client(raise_request_exception=False)
    if body is None:
        return client.get(path, headers=headers)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    content_type = headers.pop("Content_Type", "")
    return client.generic("POST", path, content, content_type, headers=headers)


def test_tensors_are_scored(keys):
    answer = ask(INFER, keys["score"], TENSORS | {"id": "7"})
    told = answer.json()
    assert answer.status_code == 200
    assert (told["model_name"], told["model_version"], told["id"]) == ("churn", "1", "7")
    assert [one["name"] for one in told["outputs"]] == ["predict", "predict_proba"]
    assert answer["X-Modelyard-Model-Version"] == "churn/1"
    by_number = ask("/v2/models/churn/versions/1/infer", keys["score"], TENSORS | {"id": "7"})
    assert by_number.content == answer.content


@pytest.mark.parametrize(
    "content_type",
    ["", "application/octet-stream", "text/plain", "multipart/form-data; boundary=x"],
)
def test_any_content_type_or_none_will_do_for_tensors(keys, content_type):
    assert ask(INFER, keys["score"], TENSORS, Content_Type=content_type).status_code == 200


def test_bodies_are_packed_both_ways(keys):
    body = gzip.compress(json.dumps(TENSORS | {"id": "7"}).encode())
    answer = ask(INFER, keys["score"], body, Content_Encoding="gzip", Accept_Encoding="gzip")
    assert answer["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.content))["id"] == "7"
    bomb = ask(INFER, keys["score"], gzip.compress(bytes(65 << 20), 1), Content_Encoding="gzip")
    assert (bomb.status_code, list(bomb.json())) == (413, ["error"])


def test_a_model_is_described_as_tensors(keys):
    found = ask("/v2/models/churn", keys["score"]).json()
    assert (found["name"], found["versions"]) == ("churn", ["1"])
    assert {"name": "age", "datatype": "INT64", "shape": [-1, 1]} in found["inputs"]
    assert found["outputs"][0]["name"] == "predict"
    assert ask("/v2/models/churn@champion", keys["score"]).json()["versions"] == ["1"]
    index = ask("/v2/repository/index", keys["score"], b"").json()
    assert {"name": "churn", "version": "1", "state": "READY", "reason": ""} in index
    assert "hidden" not in {one["name"] for one in index}


def test_a_model_says_whether_it_is_ready(keys):
    ready = ask("/v2/models/churn/ready", keys["score"])
    assert (ready.status_code, ready.json()) == (200, {"name": "churn", "ready": True})
    archived = ask("/v2/models/churn/versions/2/ready", keys["score"])
    told = archived.json()
    assert (archived.status_code, told["name"], told["ready"]) == (409, "churn", False)
    assert told["error"]
    ModelVersion.objects.filter(number=2).update(status="pending")
    assert ask("/v2/models/churn/versions/2/ready", keys["score"]).status_code == 409
    unknown = ask("/v2/models/churn/versions/9/ready", keys["score"])
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])


def test_probes_need_no_key(monkeypatch):
    assert ask("/v2/health/live").json() == {"live": True}
    monkeypatch.setattr(health, "report", lambda: ({"database": "ok"}, {}))
    assert ask("/v2/health/ready").json() == {"ready": True}
    monkeypatch.setattr(health, "report", lambda: ({"database": "failed"}, {}))
    away = ask("/v2/health/ready")
    assert (away.status_code, away.json()) == (503, {"ready": False})
    assert ask("/ping").status_code == 200
    assert ask("/v2").json()["name"] == "modelyard"


@pytest.mark.parametrize("signed", [False, True])
def test_rows_are_invoked(keys, signed):
    key = SIGNED.format(keys["score"]) if signed else keys["score"]
    answer = ask(INVOKE, key, RECORDS)
    assert answer.status_code == 200
    assert list(answer.json()) == ["predictions"]
    assert answer["x-Amzn-Invoked-Production-Variant"] == "v1"
    as_csv = ask(INVOKE, key, b"42,Rome\n7,\n", Content_Type="text/csv")
    assert as_csv["Content-Type"] == "text/csv; charset=utf-8"
    assert len(as_csv.content.splitlines()) == 2


def test_a_variant_is_a_version(keys):
    name = "X_Amzn_SageMaker_Target_Variant"
    assert ask(INVOKE, keys["score"], RECORDS, **{name: "v1"}).status_code == 200
    assert ask(INVOKE, keys["score"], RECORDS, **{name: "v2"}).status_code == 409
    refused = ask(INVOKE, keys["score"], RECORDS, **{name: "blue"})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "BAD_REQUEST")


def test_endpoints_are_the_models_that_answer(keys):
    told = ask("/api/2.0/endpoints/", keys["score"]).json()
    assert told["next_page_token"] is None
    found = {one["name"]: one for one in told["endpoints"]}
    assert "hidden" not in found
    assert found["churn"] == {
        "name": "churn",
        "endpoint_type": "modelyard/v1/predict",
        "model": {"name": "churn", "provider": "modelyard"},
        "endpoint_url": "/endpoints/churn/invocations",
        "limit": None,
    }
    assert ask("/api/2.0/endpoints/churn", keys["score"]).json() == found["churn"]


# Who asks -> the status; the team-mate's key may only read, the stranger sees nothing of it.
WHO = {None: 401, "wrong": 401, "expired": 401, "revoked": 401, "gone": 401,
       "read": 403, "stranger": 404, "elsewhere": 404}  # fmt: skip
DOORS = {INFER: ("error",), INVOKE: ("error_code", "message")}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("path", DOORS)
def test_who_may_not_score_is_told_so_in_the_dialect(keys, path, who):
    answer = ask(path, keys[who] if who else None, {})
    assert answer.status_code == WHO[who]
    assert tuple(answer.json()) == DOORS[path]
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Request-Id"]


@pytest.mark.parametrize("who", [who for who in WHO if who])
def test_a_signed_call_is_refused_as_sagemaker_does(keys, who):
    answer = ask(INVOKE, SIGNED.format(keys[who]), {})
    assert (answer.status_code, list(answer.json())) == (WHO[who], ["Message"])
    expected = {401: "UnrecognizedClientException", 403: "AccessDeniedException"}
    assert answer["x-amzn-ErrorType"] == expected.get(WHO[who], "ValidationError")
    assert keys[who] not in str(answer.headers) + answer.content.decode()


@pytest.mark.parametrize("field", ["", "Credential=", "Credential=/x/y", "Signature=0"])
def test_a_signature_without_a_key_is_refused(keys, field):
    assert ask(INVOKE, f"AWS4-HMAC-SHA256 {field}", RECORDS).status_code == 401


def test_a_signed_key_opens_no_other_door(keys):
    signed = SIGNED.format(keys["score"])
    for path in ("/api/v1/models", "/v2/models/churn", "/api/2.0/endpoints/"):
        assert ask(path, signed).status_code == 401


def test_a_failing_model_and_a_bug_are_told_apart(keys, failing_host):
    failing, bug = ({"dataframe_records": [{"age": age}]} for age in (13, 99))
    told = ask(INVOKE, keys["score"], failing)
    assert (told.status_code, told.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    signed = SIGNED.format(keys["score"])
    told = ask(INVOKE, signed, failing)
    assert (told.status_code, told["x-amzn-ErrorType"]) == (424, "ModelError")
    assert told.json()["OriginalStatusCode"] == 503
    told = ask(INVOKE, signed, bug)
    assert (told.status_code, told["x-amzn-ErrorType"]) == (500, "InternalFailure")
    tensors = {"inputs": [{"name": "age", "datatype": "INT64", "shape": [1], "data": [99]}]}
    told = ask(INFER, keys["score"], tensors)
    assert (told.status_code, "a bug" in told.content.decode()) == (500, False)


def test_cells_of_a_confidential_model_are_not_repeated(keys):
    body = {"dataframe_records": [{"age": "secret-7", "city": "Rome"}]}
    shown = ask(INVOKE, keys["score"], body).json()["message"]
    assert "received secret-7" in shown
    hidden = ask("/endpoints/secret/invocations", keys["score"], body).json()["message"]
    assert "not-an-integer" in hidden
    assert "secret-7" not in hidden


@pytest.mark.parametrize("path", ["/v2/models", "/v2/nothing", "/v2/models/churn/config"])
def test_what_is_not_there_is_told_in_the_dialect(keys, path):
    answer = ask(path, keys["score"])
    assert (answer.status_code, list(answer.json())) == (404, ["error"])
