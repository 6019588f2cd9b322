"""The errors of the domain: one class per reason, with a stable code, a status and a title.

    DomainError
    ├── BadRequest 400            MalformedBody, MalformedMultipart, MalformedParameter
    ├── NotAuthenticated 401      KeyExpired
    ├── NotAllowed 403
    ├── NotFound 404              ModelNotFound, VersionNotFound, ConnectionNotFound, ...
    ├── MethodNotAllowed 405, NotAcceptable 406, LengthRequired 411, UnsupportedMediaType 415
    ├── Conflict 409              NameTaken, StateConflict, VersionNotReady, VersionNotServable,
    │                             IdempotencyMismatch, IdempotencyInProgress
    ├── RowsErased 410
    ├── TooLarge 413
    ├── Unprocessable 422         InvalidField, InvalidRows, SourceRefused, SinkRefused,
    │                             UnreadableArtifact, RulesNotMet, CardIncomplete
    ├── RateLimited 429
    └── Unavailable 503           Overloaded, ModelLoading, ModelFailed, StorageFull, StorageAway,
                                  SourceAway, SinkAway

``CheckRefused`` stands beside the tree: it is the verdict of a check on a version or a dataset,
recorded as evidence, and never an answer to a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

RECEIVED_MAX_CHARS = 40
PROBLEMS_SHOWN = 100

# code -> what it says of the cell. The reference page lists them from here.
ROW_CODES: dict[str, str] = {
    "missing": "the column is required and the row does not have it",
    "null-not-allowed": "the column is not nullable",
    "unknown-column": "the signature has no column of this name",
    "not-an-integer": "an integer was expected",
    "out-of-range": "outside the range of the type, or of min and max",
    "not-a-number": "a number was expected",
    "not-a-boolean": "true or false was expected",
    "not-a-string": "a text was expected",
    "not-a-date": "a date such as 2026-01-31 was expected",
    "not-a-datetime": "an RFC 3339 time such as 2026-01-31T12:00:00Z was expected",
    "no-offset": "the time has no offset from UTC",
    "not-in-enum": "not one of the allowed values",
    "wrong-shape": "the nested lists do not have the declared shape",
    "wrong-length": "the row has another number of cells than there are columns",
    "ragged-row": "the line has another number of fields than the header",
    "not-an-object": "the row is neither an object nor a list",
    "loses-precision": "the value does not fit the type without loss",
    "bad-encoding": "the bytes are not UTF-8, or hold a NUL character",
    "not-finite": "infinity is no number here",
    "model-failed": "the model raised on this row",
}


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One refused cell.

    ``row`` is 0-based, ``line`` is the 1-based physical line of a file (None without a file),
    ``column`` is None when the whole row is meant, ``received`` at most 40 characters of the cell.
    """

    row: int
    column: str | None
    code: str
    expected: str | None = None
    received: str | None = None
    line: int | None = None

    def to_json(self, *, confidential: bool = False) -> dict[str, Any]:
        """The problem as JSON; ``received`` is left out where the source is confidential."""
        shown: dict[str, Any] = {"row": self.row, "column": self.column, "code": self.code}
        if self.expected is not None:
            shown["expected"] = self.expected
        if self.received is not None and not confidential:
            shown["received"] = self.received
        if self.line is not None:
            shown["line"] = self.line
        return shown


def received_text(value: object) -> str:
    """At most 40 characters of one cell, as the person who sent it would recognise it.

    U+0000, which PostgreSQL keeps in no text, is shown by its symbol.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = (value if isinstance(value, str) else str(value)).replace("\0", "\u2400")
    return text if len(text) <= RECEIVED_MAX_CHARS else text[: RECEIVED_MAX_CHARS - 1] + "…"


class DomainError(Exception):
    """Base of everything that a caller may be told. ``str()`` is the detail."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the reason, such as Retry-After."""
        return {}

    def extra(self, *, confidential: bool = False) -> dict[str, Any]:
        """Members that the reason adds to the problem document."""
        del confidential
        return dict(self.facts)


class BadRequest(DomainError):
    """The request itself cannot be read."""

    code, status, title = "bad-request", 400, "The request cannot be read"


class MalformedBody(BadRequest):
    """JSON that does not parse, NaN, duplicate keys, or too deep."""

    code, title = "malformed-body", "The body cannot be read"


class MalformedMultipart(BadRequest):
    """A multipart body that is damaged or incomplete."""

    code, title = "malformed-multipart", "The multipart body cannot be read"


class MalformedParameter(BadRequest):
    """A query parameter or header that cannot be understood."""

    code, title = "malformed-parameter", "A parameter cannot be understood"


class NotAuthenticated(DomainError):
    """No key or session, or one that is not known."""

    code, status, title = "not-authenticated", 401, "Not authenticated"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {"WWW-Authenticate": 'Bearer realm="modelyard"'}


class KeyExpired(NotAuthenticated):
    """The key was good once: it has expired or was revoked."""

    code, title = "key-expired", "The key has expired or was revoked"


class NotAllowed(DomainError):
    """The caller sees the object, but has not the role or the scope."""

    code, status, title = "not-allowed", 403, "Not allowed"


class NotFound(DomainError):
    """Unknown, or not visible to the caller: the two are not told apart."""

    code, status, title = "not-found", 404, "Not found"


class ModelNotFound(NotFound):
    """No such model that the caller may see."""

    code, title = "model-not-found", "No such model"


class VersionNotFound(NotFound):
    """The model has no such version."""

    code, title = "version-not-found", "No such version"


class AliasNotFound(NotFound):
    """The model has no such alias."""

    code, title = "alias-not-found", "No such alias"


class DatasetNotFound(NotFound):
    """No such dataset that the caller may see."""

    code, title = "dataset-not-found", "No such dataset"


class JobNotFound(NotFound):
    """No such batch job that the caller may see."""

    code, title = "job-not-found", "No such batch job"


class ScheduleNotFound(NotFound):
    """No such schedule that the caller may see."""

    code, title = "schedule-not-found", "No such schedule"


class ConnectionNotFound(NotFound):
    """No such connection that the caller may use."""

    code, title = "connection-not-found", "No such connection"


class WebhookNotFound(NotFound):
    """No such webhook of the caller's."""

    code, title = "webhook-not-found", "No such webhook"


class MethodNotAllowed(DomainError):
    """The resource has no such method."""

    code, status, title = "method-not-allowed", 405, "Method not allowed"

    def __init__(self, detail: str, *, allow: Sequence[str]) -> None:
        super().__init__(detail)
        self.allow = tuple(allow)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {"Allow": ", ".join(self.allow)}


class NotAcceptable(DomainError):
    """None of the asked media types can be written."""

    code, status, title = "not-acceptable", 406, "Not acceptable"


class Conflict(DomainError):
    """The state of things does not allow it now."""

    code, status, title = "state-conflict", 409, "Conflicts with the present state"


class NameTaken(Conflict):
    """Names are unique, ignoring case, and never used again."""

    code, title = "name-taken", "The name is taken"


class StateConflict(Conflict):
    """The object is in a state in which this cannot be done."""


class VersionNotReady(Conflict):
    """Visible, but still pending, checking or quarantined, or nothing to call."""

    code, title = "version-not-ready", "The version is not ready"


class VersionNotServable(Conflict):
    """Rejected, archived or suspended."""

    code, title = "version-not-servable", "The version cannot be served"


class IdempotencyMismatch(Conflict):
    """The key was used with another body."""

    code, title = "idempotency-mismatch", "The idempotency key was used with another body"


class IdempotencyInProgress(Conflict):
    """The first request with this key is still running."""

    code, title = "idempotency-in-progress", "The first request with this key is still running"


class RowsErased(DomainError):
    """The rows of a dataset version were kept for as long as they were to be, and are gone."""

    code, status, title = "rows-erased", 410, "The rows were erased"


class LengthRequired(DomainError):
    """A body of unknown length where a length is needed."""

    code, status, title = "length-required", 411, "Length required"


class TooLarge(DomainError):
    """Over a cap. ``limit_bytes`` is the cap in bytes."""

    code, status, title = "too-large", 413, "Too large"

    def __init__(self, detail: str, *, limit_bytes: int) -> None:
        super().__init__(detail, limit_bytes=limit_bytes)
        self.limit_bytes = limit_bytes


class UnsupportedMediaType(DomainError):
    """The body's media type is not one that is read here."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"

    def __init__(self, detail: str, *, accepted: Sequence[str]) -> None:
        super().__init__(detail, accepted=list(accepted))


class Unprocessable(DomainError):
    """Read, and found wrong."""

    code, status, title = "invalid-field", 422, "A field is not valid"


class InvalidField(Unprocessable):
    """A field of the body. ``pointer`` is a JSON pointer such as ``/inputs/0/type``."""

    def __init__(self, detail: str, *, pointer: str = "", **facts: Any) -> None:
        super().__init__(detail, pointer=pointer, **facts)
        self.pointer = pointer


class UnreadableArtifact(Unprocessable):
    """An empty file, or first bytes of no known format."""

    code, title = "unreadable-artifact", "The model file cannot be read"


class InvalidRows(Unprocessable):
    """Rows that do not fit the signature.

    ``problems`` are the first 100 by row and column, ``count`` counts all of them, ``bad_rows``
    the rows that have any, ``rows`` all rows of the request, None where they were not counted.
    """

    code, title = "invalid-rows", "Some rows do not fit the signature"

    def __init__(
        self, problems: Sequence[RowProblem], *, count: int, bad_rows: int, rows: int | None
    ) -> None:
        noun = "row was" if (bad_rows if rows is None else rows) == 1 else "rows were"
        share = f"{bad_rows}" if rows is None else f"{bad_rows} of {rows}"
        super().__init__(f"{share} {noun} refused.")
        self.problems = tuple(problems[:PROBLEMS_SHOWN])
        self.count = count
        self.bad_rows = bad_rows
        self.rows = rows

    def extra(self, *, confidential: bool = False) -> dict[str, Any]:
        """The first problems, and how many there are."""
        return {
            "errors": [p.to_json(confidential=confidential) for p in self.problems],
            "error_count": self.count,
        }

    def without_received(self) -> InvalidRows:
        """The same without the cells that were received, for confidential models and data."""
        problems = [replace(problem, received=None) for problem in self.problems]
        return InvalidRows(problems, count=self.count, bad_rows=self.bad_rows, rows=self.rows)


class SourceRefused(Unprocessable):
    """What a query or a folder gives cannot be kept exactly as a dataset.

    ``reason`` is a stable code such as ``type-not-supported``; ``column`` and ``row`` (counted from
    0) say where, None where the whole is meant.
    """

    code, title = "source-refused", "The source cannot be read"

    def __init__(
        self, detail: str, *, reason: str, column: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(detail, reason=reason, column=column, row=row)
        self.reason = reason
        self.column = column
        self.row = row


class SinkRefused(Unprocessable):
    """A table does not take the results as they are. ``column`` says which, None for the whole."""

    code, title = "sink-refused", "The sink does not take the results"

    def __init__(self, detail: str, *, column: str | None = None) -> None:
        super().__init__(detail, column=column)
        self.column = column


class RulesNotMet(Unprocessable):
    """A version does not fit the rules of its dataset. ``outcomes`` has one object for each rule.

    Their members are those of ``registry.tabular.rules.Outcome``.
    """

    code, title = "rules-not-met", "The rows do not fit the rules of the dataset"

    def __init__(self, detail: str, *, outcomes: Sequence[dict[str, Any]]) -> None:
        super().__init__(detail, outcomes=list(outcomes))
        self.outcomes = tuple(outcomes)


class CardIncomplete(Unprocessable):
    """A guarded alias is asked for, and the model card lacks what a reviewer has to know.

    ``missing`` are the names of the card's fields without an answer.
    """

    code, title = "card-incomplete", "The model card is not complete"

    def __init__(self, detail: str, *, missing: Sequence[str]) -> None:
        super().__init__(detail, missing=list(missing))
        self.missing = tuple(missing)


class RateLimited(DomainError):
    """Too many calls for now."""

    code, status, title = "rate-limited", 429, "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {"Retry-After": str(self.retry_after_s)}


class Unavailable(DomainError):
    """Cannot be done now. ``retry_after_s`` is None where waiting does not help."""

    code, status, title = "overloaded", 503, "Not available now"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class Overloaded(Unavailable):
    """A queue is full, or a part that is needed is away."""


class ModelLoading(Unavailable):
    """The model was still being loaded when the deadline came."""

    code, title = "model-loading", "The model is being loaded"


class ModelFailed(Unavailable):
    """The model raised, crashed, ran out of memory or of time on valid rows."""

    code, title = "model-failed", "The model failed"


class StorageFull(Unavailable):
    """No space is left where bytes are kept."""

    code, title = "storage-full", "The storage is full"


class StorageAway(Unavailable):
    """Where bytes are kept does not answer."""

    code, title = "storage-unavailable", "The storage does not answer"


class SourceAway(Unavailable):
    """The database that rows are read from does not answer."""

    code, title = "source-unavailable", "The source does not answer"


class SinkAway(Unavailable):
    """The database that results are written into does not answer."""

    code, title = "sink-unavailable", "The sink does not answer"


class CheckRefused(Exception):
    """A check says no.

    ``reason`` is a stable code, ``str()`` says what was found and what to do.
    """

    def __init__(
        self, reason: str, message: str, /, problems: Sequence[RowProblem] = (), **evidence: Any
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.problems = tuple(problems)
        self.evidence = evidence
