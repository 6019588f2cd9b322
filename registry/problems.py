"""Plain: any exception to status, headers and body: the only place where errors are rendered.

``problem`` is application/problem+json (RFC 9457). Each dialect is one function in ``DIALECTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry import strict_json
from registry.errors import DomainError

PROBLEM_TYPE = "application/problem+json"
INTERNAL_TITLE = "Something went wrong here"


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


DIALECTS: dict[str, Callable[[Problem, str, str], Rendered]] = {"problem": _problem_json}
