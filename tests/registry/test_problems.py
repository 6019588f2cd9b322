"""One error shape, made in one place: every error class, and nothing internal in any answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry import errors
from registry.errors import DomainError, RowProblem
from registry.problems import render

DOCS = "https://modelyard.example/docs/errors"
PROBLEM = RowProblem(1, "age", "not-an-integer", "int64", "20.7", line=3)

# Every class: an instance, its str(), code, status, and what it adds to the document.
TABLE: list[tuple[Exception, str, str, int, dict[str, Any]]] = [
    (errors.BadRequest("No."), "No.", "bad-request", 400, {}),
    (errors.MalformedBody("Cut off."), "Cut off.", "malformed-body", 400, {}),
    (errors.MalformedMultipart("Cut off."), "Cut off.", "malformed-multipart", 400, {}),
    (errors.MalformedParameter("page"), "page", "malformed-parameter", 400, {}),
    (errors.NotAuthenticated("No key."), "No key.", "not-authenticated", 401, {}),
    (errors.KeyExpired("Expired."), "Expired.", "key-expired", 401, {}),
    (errors.NotAllowed("No role."), "No role.", "not-allowed", 403, {}),
    (errors.NotFound("Nothing."), "Nothing.", "not-found", 404, {}),
    (errors.ModelNotFound("None."), "None.", "model-not-found", 404, {}),
    (errors.VersionNotFound("None."), "None.", "version-not-found", 404, {}),
    (errors.AliasNotFound("None."), "None.", "alias-not-found", 404, {}),
    (errors.DatasetNotFound("None."), "None.", "dataset-not-found", 404, {}),
    (errors.JobNotFound("None."), "None.", "job-not-found", 404, {}),
    (errors.ScheduleNotFound("None."), "None.", "schedule-not-found", 404, {}),
    (errors.ConnectionNotFound("None."), "None.", "connection-not-found", 404, {}),
    (errors.WebhookNotFound("None."), "None.", "webhook-not-found", 404, {}),
    (errors.MethodNotAllowed("PUT", allow=["GET"]), "PUT", "method-not-allowed", 405, {}),
    (errors.NotAcceptable("HTML"), "HTML", "not-acceptable", 406, {}),
    (errors.Conflict("Now."), "Now.", "state-conflict", 409, {}),
    (errors.NameTaken("churn"), "churn", "name-taken", 409, {}),
    (errors.StateConflict("Done."), "Done.", "state-conflict", 409, {}),
    (errors.VersionNotReady("Wait."), "Wait.", "version-not-ready", 409, {}),
    (errors.VersionNotServable("No."), "No.", "version-not-servable", 409, {}),
    (errors.IdempotencyMismatch("k"), "k", "idempotency-mismatch", 409, {}),
    (errors.IdempotencyInProgress("k"), "k", "idempotency-in-progress", 409, {}),
    (errors.LengthRequired("How long?"), "How long?", "length-required", 411, {}),
    (errors.TooLarge("Big.", limit_bytes=5), "Big.", "too-large", 413, {"limit_bytes": 5}),
    (
        errors.UnsupportedMediaType("No.", accepted=["text/csv"]),
        "No.",
        "unsupported-media-type",
        415,
        {"accepted": ["text/csv"]},
    ),
    (errors.Unprocessable("Wrong."), "Wrong.", "invalid-field", 422, {}),
    (
        errors.InvalidField("Wrong.", pointer="/a/0", expected="x"),
        "Wrong.",
        "invalid-field",
        422,
        {"pointer": "/a/0", "expected": "x"},
    ),
    (errors.UnreadableArtifact("Empty."), "Empty.", "unreadable-artifact", 422, {}),
    (
        errors.InvalidRows([PROBLEM], count=7, bad_rows=2, rows=3),
        "2 of 3 rows were refused.",
        "invalid-rows",
        422,
        {
            "errors": [
                {
                    "row": 1,
                    "column": "age",
                    "code": "not-an-integer",
                    "expected": "int64",
                    "received": "20.7",
                    "line": 3,
                }
            ],
            "error_count": 7,
        },
    ),
    (
        errors.CardIncomplete("Write it.", missing=["limits"]),
        "Write it.",
        "card-incomplete",
        422,
        {"missing": ["limits"]},
    ),
    (
        errors.RulesNotMet("Two.", outcomes=[{"rule": "rows"}]),
        "Two.",
        "rules-not-met",
        422,
        {"outcomes": [{"rule": "rows"}]},
    ),
    (errors.RowsErased("Gone."), "Gone.", "rows-erased", 410, {}),
    (errors.RateLimited("Slow.", retry_after_s=2), "Slow.", "rate-limited", 429, {}),
    (errors.Unavailable("Away."), "Away.", "overloaded", 503, {}),
    (errors.Overloaded("Full.", retry_after_s=1), "Full.", "overloaded", 503, {}),
    (errors.ModelLoading("Wait.", retry_after_s=1), "Wait.", "model-loading", 503, {}),
    (errors.ModelFailed("It raised."), "It raised.", "model-failed", 503, {}),
    (errors.StorageFull("Full."), "Full.", "storage-full", 503, {}),
    (errors.StorageAway("Away."), "Away.", "storage-unavailable", 503, {}),
    (
        errors.SinkRefused("No.", column="id"),
        "No.",
        "sink-refused",
        422,
        {"column": "id"},
    ),
    (errors.SourceAway("Away."), "Away.", "source-unavailable", 503, {}),
    (errors.SinkAway("Away."), "Away.", "sink-unavailable", 503, {}),
    (
        errors.SourceRefused("Twice.", reason="duplicate-column", column="id"),
        "Twice.",
        "source-refused",
        422,
        {"reason": "duplicate-column", "column": "id", "row": None},
    ),
]
IDS = [type(row[0]).__name__ for row in TABLE]


def document(error: Exception, **options: Any) -> dict[str, Any]:
    rendered = render(error, request_id="r-1", docs_url=DOCS, **options)
    assert rendered.content_type == "application/problem+json"
    parsed: dict[str, Any] = json.loads(rendered.body)
    assert parsed["status"] == rendered.status
    return parsed


@pytest.mark.parametrize(("error", "text", "code", "status", "members"), TABLE, ids=IDS)
def test_an_error_is_rendered_with_its_facts(
    error: DomainError, text: str, code: str, status: int, members: dict[str, Any]
) -> None:
    assert str(error) == text
    assert document(error) == {
        "type": f"{DOCS}#{code}",
        "title": error.title,
        "status": status,
        "code": code,
        "detail": text,
        "instance": "r-1",
        **members,
    }


def every_class(root: type[DomainError]) -> set[type[DomainError]]:
    found = set(root.__subclasses__())
    return {one for one in found if one.__module__ == "registry.errors"}.union(
        *(every_class(one) for one in found)
    )


def test_the_table_has_every_class_of_the_tree() -> None:
    assert {type(row[0]) for row in TABLE} == every_class(DomainError)


def test_classes_of_one_code_agree_on_the_status() -> None:
    statuses: dict[str, int] = {}
    for one in every_class(DomainError):
        assert statuses.setdefault(one.code, one.status) == one.status


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.NotAuthenticated("No key."), "WWW-Authenticate", 'Bearer realm="modelyard"'),
        (errors.MethodNotAllowed("PUT", allow=["GET", "POST"]), "Allow", "GET, POST"),
        (errors.RateLimited("Slow.", retry_after_s=2), "Retry-After", "2"),
        (errors.ModelLoading("Wait.", retry_after_s=4), "Retry-After", "4"),
    ],
    ids=["401", "405", "429", "503"],
)
def test_headers_that_belong_to_the_reason_are_sent(
    error: Exception, name: str, value: str
) -> None:
    assert render(error, request_id="r", docs_url=DOCS).headers[name] == value


def test_a_failing_model_sends_no_retry_after() -> None:
    rendered = render(errors.ModelFailed("It raised."), request_id="r", docs_url=DOCS)

    assert "Retry-After" not in rendered.headers


INTERNAL = {
    "type": f"{DOCS}#internal",
    "title": "Something went wrong here",
    "status": 500,
    "code": "internal",
    "detail": "Tell whoever runs this service the request id r-1.",
    "instance": "r-1",
}


class Unwritable(errors.InvalidField):
    """An error whose facts cannot be written."""


class Raising(errors.InvalidField):
    """An error that fails while it is told."""

    def extra(self, *, confidential: bool = False) -> dict[str, Any]:
        raise RuntimeError("/var/secret")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("/var/secret: password=hunter2"),
        KeyError("payload"),
        RecursionError(),
        DomainError("/var/secret", path="/var/secret"),
        errors.CheckRefused("reason", "/var/secret"),
        Unwritable("/var/secret", what=object()),
        Raising("/var/secret"),
        errors.NotFound("\ud800 /var/secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_meant_for_the_caller_is_internal_and_says_nothing(error: Exception) -> None:
    assert document(error) == INTERNAL


def test_facts_never_take_the_place_of_the_common_members() -> None:
    error = errors.InvalidField("Wrong.", pointer="/a", status=200, instance="other", code="x")

    shown = document(error)

    assert (shown["status"], shown["instance"], shown["code"]) == (422, "r-1", "invalid-field")


def test_confidential_answers_hold_no_cell() -> None:
    error = errors.InvalidRows([PROBLEM], count=1, bad_rows=1, rows=1)

    (shown,) = document(error, confidential=True)["errors"]

    assert "received" not in shown
    assert shown["code"] == "not-an-integer"


def test_only_the_first_hundred_problems_are_shown() -> None:
    problems = [RowProblem(row, "a", "missing") for row in range(150)]

    shown = document(errors.InvalidRows(problems, count=150, bad_rows=150, rows=150))

    assert len(shown["errors"]) == 100
    assert shown["error_count"] == 150


def test_rows_that_were_not_counted_are_not_made_up() -> None:
    assert str(errors.InvalidRows([], count=1, bad_rows=1, rows=None)) == "1 row was refused."


def test_an_unknown_dialect_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        render(errors.NotFound("x"), request_id="r", docs_url=DOCS, dialect="soap")
