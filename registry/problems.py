"""Plain: any exception to status, headers and body: the only place where errors are rendered.

``problem`` is application/problem+json (RFC 9457); ``open_inference``, ``mlflow`` and ``sagemaker``
are what the clients of those servers read. Each dialect is one function in ``DIALECTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry import strict_json
from registry.errors import DomainError

PROBLEM_TYPE = "application/problem+json"
JSON_TYPE = "application/json"
INTERNAL_TITLE = "Something went wrong here"
# How many problems of cells are told where there is only one text for all of them.
PROBLEMS_TOLD = 10
AWS4 = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error answer, ready for any door: ``headers`` are without Content-Type and length."""

    status: int
    headers: dict[str, str]
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What every dialect says in its own words; ``members`` are the reason's own facts."""

    code: str
    status: int
    title: str
    detail: str
    members: dict[str, Any]
    headers: dict[str, str]


def render(
    error: Exception,
    *,
    request_id: str,
    docs_url: str,
    dialect: str = "problem",
    confidential: bool = False,
) -> Rendered:
    """The answer to a request that failed.

    ``docs_url`` is the page that lists the codes. ``confidential`` leaves out every cell value.
    What is no DomainError is answered as ``internal`` with the request id and nothing else. Never
    raises for an exception; raises KeyError for a dialect that is not in ``DIALECTS``.
    """
    return DIALECTS[dialect](_problem(error, request_id, confidential), request_id, docs_url)


def _problem(error: Exception, request_id: str, confidential: bool) -> Problem:
    if not isinstance(error, DomainError) or error.code == "internal":
        return _internal(request_id)
    try:
        members, headers = error.extra(confidential=confidential), dict(error.headers)
        strict_json.dumps([members, error.detail])
    except Exception:  # an error that cannot be told is an internal one
        return _internal(request_id)
    return Problem(error.code, error.status, error.title, error.detail, members, headers)


def _internal(request_id: str) -> Problem:
    detail = f"Tell whoever runs this service the request id {request_id}."
    return Problem("internal", 500, INTERNAL_TITLE, detail, {}, {})


def _problem_json(problem: Problem, request_id: str, docs_url: str) -> Rendered:
    document = {
        "type": f"{docs_url}#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": request_id,
    }
    # The reason's own members come after, and never in the place of the common ones.
    own = {name: value for name, value in problem.members.items() if name not in document}
    body = strict_json.dumps(document | own)
    return Rendered(problem.status, problem.headers, body, PROBLEM_TYPE)


def _open_inference(problem: Problem, request_id: str, docs_url: str) -> Rendered:
    """``{"error": text}``, Open Inference Protocol V2; what is wrong with a request is 400."""
    del request_id, docs_url
    body = strict_json.dumps({"error": told(problem)})
    return Rendered(_status(problem), problem.headers, body, JSON_TYPE)


def _mlflow(problem: Problem, request_id: str, docs_url: str) -> Rendered:
    """``{"error_code": name, "message": text}`` with the names of MLflow's own error codes."""
    del request_id, docs_url
    status = _status(problem)
    is_value = problem.status == 422
    name = "INVALID_PARAMETER_VALUE" if is_value else _MLFLOW_CODES.get(status, "BAD_REQUEST")
    body = strict_json.dumps({"error_code": name, "message": told(problem)})
    return Rendered(status, problem.headers, body, JSON_TYPE)


def _sagemaker(problem: Problem, request_id: str, docs_url: str) -> Rendered:
    """SageMaker Runtime, InvokeEndpoint: the type in a header; 424 when the model itself failed."""
    del request_id, docs_url
    text = told(problem)
    members: dict[str, Any] = {"Message": text}
    status, name = _status(problem), "ValidationError"
    if problem.code == "model-failed":
        status, name = 424, "ModelError"
        members |= {"OriginalStatusCode": problem.status, "OriginalMessage": text}
    name = _SAGEMAKER_TYPES.get(status, name)
    headers = problem.headers | {"x-amzn-ErrorType": name}
    return Rendered(status, headers, strict_json.dumps(members), JSON_TYPE)


def _status(problem: Problem) -> int:
    """These protocols know no 422: a request that does not fit is a bad one."""
    return 400 if problem.status == 422 else problem.status


def told(problem: Problem) -> str:
    """The detail with its first problems, where a dialect has one text and no members."""
    pointer, accepted = problem.members.get("pointer"), problem.members.get("accepted")
    detail = f"{problem.detail} (at {pointer})" if pointer else problem.detail
    if accepted:
        detail += f" Taken are {', '.join(accepted)}."
    cells = problem.members.get("errors")
    if not cells:
        return detail
    shown = "; ".join(_cell_told(cell) for cell in cells[:PROBLEMS_TOLD])
    more = problem.members.get("error_count", len(cells)) - len(cells[:PROBLEMS_TOLD])
    return f"{detail} {shown}" + (f"; and {more} more" if more > 0 else "")


def _cell_told(cell: dict[str, Any]) -> str:
    """Such as ``row 1, column `age`: not-an-integer (expected int64, received 20.7)``."""
    place = f"row {cell['row']}"
    if "line" in cell:
        place += f" (line {cell['line']})"
    if cell["column"] is not None:
        place += f", column `{cell['column']}`"
    facts = [f"{name} {cell[name]}" for name in ("expected", "received") if name in cell]
    return f"{place}: {cell['code']}" + (f" ({', '.join(facts)})" if facts else "")


_MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
_SAGEMAKER_TYPES = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    429: "ThrottlingException",
    500: "InternalFailure",
    503: "ServiceUnavailable",
}

DIALECTS: dict[str, Callable[[Problem, str, str], Rendered]] = {
    "problem": _problem_json,
    "open_inference": _open_inference,
    "mlflow": _mlflow,
    "sagemaker": _sagemaker,
}
# Where a path begins like this, its clients read that dialect.
_PATHS = (
    ("/v2/", "open_inference"),
    ("/endpoints/", "mlflow"),
    ("/api/2.0/", "mlflow"),
)


def dialect_of(path: str, authorization: str = "") -> str:
    """The dialect of the errors below a path, a key of ``DIALECTS``.

    ``authorization`` is the header: one that is signed as AWS does makes it ``sagemaker``.
    """
    below = f"{path}/"
    dialect = next((found for start, found in _PATHS if below.startswith(start)), "problem")
    if dialect == "mlflow" and authorization.startswith(AWS4):
        return "sagemaker"
    return dialect
