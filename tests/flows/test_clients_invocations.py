"""Clients: boto3's ``sagemaker-runtime`` and MLflow's deployments client, as they are installed."""

from __future__ import annotations

import csv
import gc
import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException
from mlflow.utils import request_utils
from requests import HTTPError

from tests.services.stack import Stack

KeyFor = Callable[..., str]
NAMES = [
    "island", "sex", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g",
]  # fmt: skip
ROWS: list[list[Any]] = [
    ["Dream", "male", 49.5, 19.0, 200, 3800],
    ["Torgersen", None, 36.5, 18.0, None, 3150],
]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


@pytest.fixture(scope="module")
def expected(http: httpx.Client) -> list[str]:
    return http.post("/models/penguins/predict", json={"instances": ROWS}).json()["predictions"]


@pytest.fixture(scope="module")
def sagemaker(live_stack: Stack, key_for: KeyFor) -> Iterator[Any]:
    with closing(_sagemaker(live_stack, key_for("read", "score"))) as client:
        yield client


def _sagemaker(stack: Stack, key: str) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=stack.url,
        region_name="eu-south-1",
        aws_access_key_id=key,
        aws_secret_access_key="not-looked-at",
        config=Config(retries={"max_attempts": 1}),
    )


def invoke(client: Any, body: bytes, endpoint: str = "penguins", **options: Any) -> dict[str, Any]:
    """The answer, its body read to the end: until then it holds its connection."""
    answer = client.invoke_endpoint(EndpointName=endpoint, Body=body, **options)
    with answer["Body"] as stream:
        return answer | {"Body": stream.read()}


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_records": RECORDS},
        {"instances": ROWS},
        {"inputs": {name: [row[at] for row in ROWS] for at, name in enumerate(NAMES)}},
    ],
    ids=lambda body: next(iter(body)),
)
@pytest.mark.parametrize("content_type", [{}, {"ContentType": "application/json"}])
def test_boto3_asks_in_json(sagemaker, expected, body, content_type):
    answer = invoke(sagemaker, json.dumps(body).encode(), **content_type)
    assert json.loads(answer["Body"]) == {"predictions": expected}
    assert answer["InvokedProductionVariant"] == "v1"
    assert answer["ContentType"] == "application/json"


def test_boto3_asks_in_csv_without_a_header_or_with_one(sagemaker, expected):
    text = io.StringIO()
    csv.writer(text).writerows(ROWS)
    for header in ("", ",".join(NAMES) + "\n"):
        body = (header + text.getvalue()).encode()
        answer = invoke(sagemaker, body, ContentType="text/csv")
        assert answer["Body"].decode().splitlines() == expected
        assert answer["ContentType"].startswith("text/csv")
        answer = invoke(sagemaker, body, ContentType="text/csv", Accept="application/json")
        assert json.loads(answer["Body"]) == {"predictions": expected}


def test_boto3_names_a_variant_or_an_alias(sagemaker, expected):
    body = json.dumps({"instances": ROWS}).encode()
    answer = invoke(sagemaker, body, TargetVariant="v1")
    assert json.loads(answer["Body"])["predictions"] == expected
    answer = invoke(sagemaker, body, "penguins@champion")
    assert answer["InvokedProductionVariant"] == "v1"
    for variant, status in (("v7", 404), ("blue", 400)):
        with pytest.raises(ClientError) as refused:
            invoke(sagemaker, body, TargetVariant=variant)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_is_told_what_is_wrong(sagemaker, live_stack):
    bad = json.dumps({"instances": [ROWS[0], [*ROWS[1][:5], "heavy"]]}).encode()
    with pytest.raises(ClientError) as refused:
        invoke(sagemaker, bad)
    told = refused.value.response["Error"]
    assert told["Code"] == "ValidationError"
    assert "row 1, column `body_mass_g`: not-a-number" in told["Message"]
    assert "heavy" in told["Message"]
    with pytest.raises(ClientError) as refused:
        invoke(sagemaker, bad, "nobody-made-this")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    stranger = _sagemaker(live_stack, "AKIAIOSFODNN7EXAMPLE")
    with closing(stranger), pytest.raises(ClientError) as refused:
        invoke(stranger, bad)
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_a_key_in_a_signature_is_in_no_log(sagemaker, live_stack, key_for):
    invoke(sagemaker, json.dumps({"instances": ROWS}).encode())
    with pytest.raises(ClientError):
        invoke(sagemaker, b"{")
    secret = key_for("read", "score").rpartition("_")[2]
    logs = [path for path in (live_stack.home / "log").rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if secret in path.read_text(errors="replace")]
    assert secret not in live_stack.story()


@pytest.fixture
def deployments(
    live_stack: Stack, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", key_for("read", "score"))
    # A refusal with 503 would be asked again for minutes.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield get_deploy_client(live_stack.url)
    # It keeps its connections open for good; they would end as warnings of some other test.
    request_utils._cached_get_request_session.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_mlflow_finds_the_endpoints(deployments, live_stack):
    found = {one.name: one for one in deployments.list_endpoints()}
    assert {"penguins", "wine", "diabetes"} <= found.keys()
    one = deployments.get_endpoint("penguins")
    assert one.model_dump() == found["penguins"].model_dump()
    assert one.endpoint_type == "modelyard/v1/predict"
    assert one.endpoint_url == f"{live_stack.url}/endpoints/penguins/invocations"
    assert (one.model.name, one.model.provider, one.limit) == ("penguins", "modelyard", None)


@pytest.mark.parametrize("endpoint", ["penguins", "penguins@champion"])
def test_mlflow_scores(deployments, expected, endpoint):
    sent = {"dataframe_split": {"columns": NAMES, "data": ROWS}}
    assert deployments.predict(endpoint=endpoint, inputs=sent) == {"predictions": expected}


def test_mlflow_is_told_what_is_wrong(deployments, monkeypatch):
    with pytest.raises(HTTPError, match="row 0, column `body_mass_g`: not-a-number"):
        deployments.predict(
            endpoint="penguins", inputs={"dataframe_records": [RECORDS[0] | {"body_mass_g": "?"}]}
        )
    with pytest.raises((HTTPError, MlflowException), match="nobody-made-this"):
        deployments.get_endpoint("nobody-made-this")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "wrong")
    with pytest.raises(HTTPError, match="401"):
        deployments.list_endpoints()


def test_ping_needs_no_key(live_stack):
    assert httpx.get(f"{live_stack.url}/ping").status_code == 200
