"""What can go wrong, as one tree that mirrors the service's problem documents (RFC 9457).

ModelyardError
├── here, nothing or not all was sent     UsageError, CannotSave, MissingExtra, ConnectionFailed,
│                                         UnexpectedAnswer, WaitTimedOut
├── an end that was not the hoped one     VersionRejected, DatasetRejected, JobFailed
└── the service said no
    ├── BadRequest 400            MalformedBody, MalformedMultipart, MalformedParameter
    ├── NotAuthenticated 401      KeyExpired
    ├── NotAllowed 403
    ├── NotFound 404              ModelNotFound, VersionNotFound, AliasNotFound,
    │                             DatasetNotFound, JobNotFound
    ├── Conflict 409              NameTaken, StateConflict, VersionNotReady, VersionNotServable,
    │                             IdempotencyMismatch, IdempotencyInProgress
    ├── TooLarge 413, UnsupportedMediaType 415
    ├── Unprocessable 422         InvalidField, InvalidRows, UnreadableArtifact
    ├── RateLimited 429
    ├── Unavailable 503           Overloaded, ModelLoading, ModelFailed
    └── ServiceFailed 5xx
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class RowError:
    """One refused cell.

    ``row`` is 0-based, ``line`` the 1-based physical line where a file was sent, ``column`` None
    when the whole row is meant, ``received`` at most 40 characters of the cell, or None where the
    service keeps cells to itself.
    """

    row: int | None
    column: str | None
    code: str
    expected: str | None = None
    received: str | None = None
    line: int | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RowError:
        """Read one member of ``errors``; members that are not known are ignored."""
        return cls(
            row=document.get("row"),
            column=document.get("column"),
            code=str(document.get("code", "unknown")),
            expected=document.get("expected"),
            received=document.get("received"),
            line=document.get("line"),
        )

    def __str__(self) -> str:
        places = [f"row {self.row}" if self.row is not None else ""]
        places.append(f"line {self.line}" if self.line is not None else "")
        places.append(f"column {self.column!r}" if self.column is not None else "")
        text = f"{', '.join(p for p in places if p) or 'somewhere'}: {self.code}"
        if self.expected is not None:
            text += f", expected {self.expected}"
        return text if self.received is None else f"{text}, received {self.received}"


class ModelyardError(Exception):
    """Base of everything that this package raises on purpose.

    ``status`` is the HTTP status, or None when no answer came; ``errors`` the row errors (the
    first 100; ``error_count`` counts all); ``facts`` the further members of the problem document;
    ``retry_after_s`` the seconds after which the service asks to try again, or None.
    """

    code: str = "failed"
    title: str = "It did not work"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        title: str | None = None,
        status: int | None = None,
        errors: Sequence[RowError] = (),
        request_id: str | None = None,
        retry_after_s: float | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.title = title or self.title
        self.status = status
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.facts = dict(facts or {})

    @property
    def error_count(self) -> int:
        """How many cells were refused in all; at least as many as ``errors`` shows."""
        count = self.facts.get("error_count")
        return count if isinstance(count, int) else len(self.errors)

    def lines(self) -> Iterator[str]:
        """The whole story, line by line: title, detail, each row error, request id."""
        mark = f"{self.code}, {self.status}" if self.status is not None else self.code
        yield f"{self.title} ({mark})"
        if self.detail and self.detail != self.title:
            yield f"  {self.detail}"
        if pointer := self.facts.get("pointer"):
            yield f"  at {pointer}"
        yield from (f"  {error}" for error in self.errors)
        if (hidden := self.error_count - len(self.errors)) > 0:
            yield f"  and {hidden} more"
        if self.request_id:
            yield f"  request {self.request_id}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


class UsageError(ModelyardError, ValueError):
    """Refused here, before anything was sent: an argument, a file or a table that cannot do."""

    code, title = "usage", "That cannot be sent"


class CannotSave(UsageError):
    """The estimator cannot be written as a file of any format that the service takes."""

    code, title = "cannot-save", "The estimator cannot be saved"


class MissingExtra(ModelyardError, ImportError):
    """An optional package is needed for this and is not installed."""

    code, title = "missing-package", "A package is missing"


class ConnectionFailed(ModelyardError):
    """No answer came: not reachable, or the connection broke and trying again did not help."""

    code, title = "connection-failed", "The service cannot be reached"


class UnexpectedAnswer(ModelyardError):
    """An answer came that is none of Modelyard's, as from a proxy or a wrong address."""

    code, title = "unexpected-answer", "The answer is not one of Modelyard's"


class WaitTimedOut(ModelyardError):
    """It had not come to an end when the time for waiting was over; it goes on over there."""

    code, title = "wait-timed-out", "Not finished yet"


class VersionRejected(ModelyardError):
    """The checks of a version ended with a refusal."""

    code, title = "version-rejected", "The version was rejected"


class DatasetRejected(ModelyardError):
    """A dataset's rows could not be read; ``errors`` say which."""

    code, title = "dataset-rejected", "The dataset was rejected"


class JobFailed(ModelyardError):
    """A batch job ended as failed or cancelled."""

    code, title = "job-failed", "The batch job did not finish"


class ServiceError(ModelyardError):
    """The service said no. ``default_status`` is the status that the class stands for."""

    default_status: ClassVar[int | None] = None


class BadRequest(ServiceError):
    """The request could not be read."""

    code, default_status = "bad-request", 400


class MalformedBody(BadRequest):
    """JSON that does not parse, NaN, duplicate keys, or too deep."""

    code = "malformed-body"


class MalformedMultipart(BadRequest):
    """A multipart body that is damaged or incomplete."""

    code = "malformed-multipart"


class MalformedParameter(BadRequest):
    """A query parameter or header that cannot be understood."""

    code = "malformed-parameter"


class NotAuthenticated(ServiceError):
    """No key, or one that is not known."""

    code, default_status = "not-authenticated", 401


class KeyExpired(NotAuthenticated):
    """The key was good once: it has expired or was revoked."""

    code = "key-expired"


class NotAllowed(ServiceError):
    """The object is visible, but the role or the scope is missing."""

    code, default_status = "not-allowed", 403


class NotFound(ServiceError):
    """Unknown, or not visible with this key: the two are not told apart."""

    code, default_status = "not-found", 404


class ModelNotFound(NotFound):
    """No such model."""

    code = "model-not-found"


class VersionNotFound(NotFound):
    """The model has no such version."""

    code = "version-not-found"


class AliasNotFound(NotFound):
    """The model has no such alias."""

    code = "alias-not-found"


class DatasetNotFound(NotFound):
    """No such dataset."""

    code = "dataset-not-found"


class JobNotFound(NotFound):
    """No such batch job."""

    code = "job-not-found"


class Conflict(ServiceError):
    """The state of things does not allow it now."""

    code, default_status = "conflict", 409


class NameTaken(Conflict):
    """Names are unique, ignoring case, and never used again."""

    code = "name-taken"


class StateConflict(Conflict):
    """The object is in a state in which this cannot be done."""

    code = "state-conflict"


class VersionNotReady(Conflict):
    """Still pending, checking or quarantined, or nothing to call."""

    code = "version-not-ready"


class VersionNotServable(Conflict):
    """Rejected, archived or suspended."""

    code = "version-not-servable"


class IdempotencyMismatch(Conflict):
    """The idempotency key was used with another body."""

    code = "idempotency-mismatch"


class IdempotencyInProgress(Conflict):
    """The first request with this idempotency key is still running."""

    code = "idempotency-in-progress"


class RowsErased(ServiceError):
    """The rows of a dataset version were kept for as long as they were to be, and are gone."""

    code, default_status = "rows-erased", 410


class TooLarge(ServiceError):
    """Over a cap of the service."""

    code, default_status = "too-large", 413

    @property
    def limit_bytes(self) -> int | None:
        """The cap in bytes, where the service says it."""
        limit = self.facts.get("limit_bytes")
        return limit if isinstance(limit, int) else None


class UnsupportedMediaType(ServiceError):
    """The body's media type is not one that is read there."""

    code, default_status = "unsupported-media-type", 415


class Unprocessable(ServiceError):
    """Read, and found wrong."""

    code, default_status = "unprocessable", 422


class InvalidField(Unprocessable):
    """A field of the request."""

    code = "invalid-field"

    @property
    def pointer(self) -> str | None:
        """JSON pointer of the field, such as ``/inputs/0/type``, where the service says it."""
        pointer = self.facts.get("pointer")
        return pointer if isinstance(pointer, str) else None


class InvalidRows(Unprocessable):
    """Rows that do not fit the signature; see ``errors`` and ``error_count``."""

    code = "invalid-rows"


class RulesNotMet(Unprocessable):
    """A version does not fit the rules of its dataset; see ``outcomes``."""

    code = "rules-not-met"

    @property
    def outcomes(self) -> list[Mapping[str, Any]]:
        """One for each rule: ``rule``, ``expected``, ``found``, ``passed`` and ``note``."""
        outcomes = self.facts.get("outcomes")
        return list(outcomes) if isinstance(outcomes, list) else []


class UnreadableArtifact(Unprocessable):
    """An empty model file, or first bytes of no known format."""

    code = "unreadable-artifact"


class RateLimited(ServiceError):
    """Too many calls for now; see ``retry_after_s``."""

    code, default_status = "rate-limited", 429


class ServiceFailed(ServiceError):
    """Something went wrong over there; the request id helps to find it."""

    code, default_status = "internal", 500


class Unavailable(ServiceFailed):
    """Cannot be done now."""

    code, default_status = "unavailable", 503


class Overloaded(Unavailable):
    """A queue is full, or a part that is needed is away."""

    code = "overloaded"


class ModelLoading(Unavailable):
    """The model was still being loaded when the deadline came."""

    code = "model-loading"


class ModelFailed(Unavailable):
    """The model raised, crashed, ran out of memory or of time on valid rows."""

    code = "model-failed"


class ModelyardWarning(UserWarning):
    """Something was done in another way than asked; the text says which and why."""


def _tree(root: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)


_BY_CODE = {cls.code: cls for cls in _tree(ServiceError)}
_BY_STATUS = {
    cls.default_status: cls for cls in _tree(ServiceError) if "default_status" in vars(cls)
}


def error_class(code: str | None, status: int) -> type[ServiceError]:
    """The most exact class for a problem: by its code, else by its status."""
    fallback = ServiceFailed if status >= 500 else ServiceError
    return _BY_CODE.get(code or "") or _BY_STATUS.get(status) or fallback
