"""Errors in the words of other servers: every status in every dialect, and which path has which."""

from __future__ import annotations

import json

import pytest

from registry import errors
from registry.errors import RowProblem
from registry.problems import DIALECTS, dialect_of, render

ROWS = errors.InvalidRows(
    [
        RowProblem(1, "age", "not-an-integer", "int64", "20.7", line=3),
        RowProblem(2, None, "ragged-row"),
    ],
    count=14, bad_rows=2, rows=3,
)  # fmt: skip
RAISED: list[tuple[Exception, int, str, str]] = [
    (errors.MalformedBody("Cut off."), 400, "BAD_REQUEST", "ValidationError"),
    (errors.NotAuthenticated("No key."), 401, "UNAUTHENTICATED", "UnrecognizedClientException"),
    (errors.NotAllowed("No role."), 403, "PERMISSION_DENIED", "AccessDeniedException"),
    (errors.ModelNotFound("None."), 404, "RESOURCE_DOES_NOT_EXIST", "ValidationError"),
    (errors.MethodNotAllowed("PUT", allow=["GET"]), 405, "ENDPOINT_NOT_FOUND", "ValidationError"),
    (errors.VersionNotReady("Wait."), 409, "RESOURCE_CONFLICT", "ValidationError"),
    (errors.TooLarge("Big.", limit_bytes=5), 413, "BAD_REQUEST", "ValidationError"),
    (errors.InvalidField("Wrong."), 400, "INVALID_PARAMETER_VALUE", "ValidationError"),
    (errors.RateLimited("Slow.", retry_after_s=3), 429, "REQUEST_LIMIT_EXCEEDED",
     "ThrottlingException"),
    (errors.Overloaded("Full.", retry_after_s=3), 503, "TEMPORARILY_UNAVAILABLE",
     "ServiceUnavailable"),
    (RuntimeError("/secret/path"), 500, "INTERNAL_ERROR", "InternalFailure"),
]  # fmt: skip


def shown(error: Exception, dialect: str):
    return render(error, request_id="request-1", docs_url="", dialect=dialect)


@pytest.mark.parametrize(("error", "status", "mlflow", "sagemaker"), RAISED)
def test_each_error_has_its_status_and_name(error, status, mlflow, sagemaker):
    for dialect in ("open_inference", "mlflow", "sagemaker"):
        answer = shown(error, dialect)
        assert (answer.status, answer.content_type) == (status, "application/json")
        assert "secret" not in answer.body.decode()
        assert ("Retry-After" in answer.headers) == (status in (429, 503))
    told = json.loads(shown(error, "mlflow").body)
    assert (list(told), told["error_code"]) == (["error_code", "message"], mlflow)
    signed = shown(error, "sagemaker")
    assert (list(json.loads(signed.body)), signed.headers["x-amzn-ErrorType"]) == (
        ["Message"], sagemaker,
    )  # fmt: skip
    text = json.loads(shown(error, "open_inference").body)
    assert text == {"error": told["message"]}


def test_a_failing_model_is_a_model_error_for_sagemaker_alone():
    failed = errors.ModelFailed("It raised.")
    assert shown(failed, "open_inference").status == shown(failed, "mlflow").status == 503
    signed = shown(failed, "sagemaker")
    assert (signed.status, signed.headers["x-amzn-ErrorType"]) == (424, "ModelError")
    assert json.loads(signed.body) == {
        "Message": "It raised.", "OriginalStatusCode": 503, "OriginalMessage": "It raised.",
    }  # fmt: skip


def test_the_text_has_the_first_problems_and_how_many_more_there_are():
    assert json.loads(shown(ROWS, "open_inference").body)["error"] == (
        "2 of 3 rows were refused. row 1 (line 3), column `age`: not-an-integer "
        "(expected int64, received 20.7); row 2: ragged-row; and 12 more"
    )
    hidden = json.loads(shown(ROWS.without_received(), "mlflow").body)["message"]
    assert "not-an-integer (expected int64)" in hidden
    many = [RowProblem(row, "age", "missing") for row in range(100)]
    told = json.loads(
        shown(errors.InvalidRows(many, count=500, bad_rows=500, rows=500), "mlflow").body
    )
    assert told["message"].endswith("row 9, column `age`: missing; and 490 more")


def test_the_text_has_the_place_and_what_would_be_taken():
    field = errors.InvalidField("Wrong.", pointer="/inputs/0")
    assert json.loads(shown(field, "mlflow").body)["message"] == "Wrong. (at /inputs/0)"
    media = errors.UnsupportedMediaType("Not read.", accepted=["text/csv"])
    assert json.loads(shown(media, "mlflow").body)["message"] == "Not read. Taken are text/csv."


@pytest.mark.parametrize(
    ("path", "authorization", "dialect"),
    [
        ("/api/v1/models/churn/predict", "", "problem"),
        ("/api/v1/models", "AWS4-HMAC-SHA256 x", "problem"),
        ("/v2", "", "open_inference"),
        ("/v2/models/churn/infer", "AWS4-HMAC-SHA256 x", "open_inference"),
        ("/v20", "", "problem"),
        ("/endpoints/churn/invocations", "Bearer x", "mlflow"),
        ("/endpoints/churn/invocations", "AWS4-HMAC-SHA256 x", "sagemaker"),
        ("/api/2.0/endpoints/", "", "mlflow"),
        ("/", "", "problem"),
    ],
)
def test_the_path_says_the_dialect(path, authorization, dialect):
    assert dialect_of(path, authorization) == dialect
    assert dialect in DIALECTS
