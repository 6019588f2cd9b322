"""Problem documents become exceptions that tell the whole story."""

from __future__ import annotations

import pytest
from modelyard import errors
from modelyard.errors import InvalidRows, ModelyardError, RowError, ServiceError, error_class

from tests.client.stand_in import problem

INVALID_ROWS = problem(
    422,
    "invalid-rows",
    title="Some rows do not fit the signature",
    detail="2 of 3 rows were refused.",
    errors=[
        {
            "row": 1,
            "column": "age",
            "code": "not-an-integer",
            "expected": "int64",
            "received": "20.7",
        },
        {"row": 2, "line": 4, "column": None, "code": "ragged-row"},
    ],
    error_count=14,
)


def test_row_errors_are_told_one_by_one(client, service):
    service.script = [INVALID_ROWS]
    with pytest.raises(InvalidRows) as caught:
        client.score("churn", [{"age": 20.7}])
    error = caught.value
    assert (error.code, error.status, error.request_id) == ("invalid-rows", 422, "req-1")
    assert error.errors[0] == RowError(1, "age", "not-an-integer", "int64", "20.7")
    assert error.error_count == 14
    assert str(error).split("\n") == [
        "Some rows do not fit the signature (invalid-rows, 422)",
        "  2 of 3 rows were refused.",
        "  row 1, column 'age': not-an-integer, expected int64, received 20.7",
        "  row 2, line 4: ragged-row",
        "  and 12 more",
        "  request req-1",
    ]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed-body", errors.MalformedBody),
        (401, "not-authenticated", errors.NotAuthenticated),
        (401, "key-expired", errors.KeyExpired),
        (403, "not-allowed", errors.NotAllowed),
        (404, "model-not-found", errors.ModelNotFound),
        (404, "schedule-not-found", errors.NotFound),
        (409, "name-taken", errors.NameTaken),
        (409, "version-not-ready", errors.VersionNotReady),
        (413, "too-large", errors.TooLarge),
        (415, "unsupported-media-type", errors.UnsupportedMediaType),
        (422, "invalid-field", errors.InvalidField),
        (422, "unreadable-artifact", errors.UnreadableArtifact),
        (422, "of-tomorrow", errors.Unprocessable),
        (429, "rate-limited", errors.RateLimited),
        (503, "model-loading", errors.ModelLoading),
        (503, "storage-full", errors.Unavailable),
        (500, "internal", errors.ServiceFailed),
        (507, "of-tomorrow", errors.ServiceFailed),
        (418, "of-tomorrow", ServiceError),
    ],
)
def test_each_code_has_its_class_and_a_new_one_that_of_its_status(status, code, expected):
    assert error_class(code, status) is expected


def test_a_field_error_names_the_field(client, service):
    service.script = [problem(422, "invalid-field", detail="No such type.", pointer="/inputs/0")]
    with pytest.raises(errors.InvalidField) as caught:
        client.score("churn", [])
    assert caught.value.pointer == "/inputs/0"
    assert "at /inputs/0" in str(caught.value)


def test_too_large_tells_the_limit(client, service):
    service.script = [problem(413, "too-large", detail="Too large.", limit_bytes=6291456)]
    with pytest.raises(errors.TooLarge) as caught:
        client.score("churn", [])
    assert caught.value.limit_bytes == 6291456


def test_every_error_has_a_text():
    for kind in _tree(ModelyardError):
        assert str(kind("The reason.")).startswith(kind.title)
        assert "The reason." in str(kind("The reason."))


def _tree(root):
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)
