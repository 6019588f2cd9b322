"""A name for every request: the caller's where well formed; on every answer and log line."""

from __future__ import annotations

import contextvars
import logging
import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_current: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


def accept_or_make(offered: str | None) -> str:
    """The offered id if it is well formed, otherwise a new one."""
    if offered and _WELL_FORMED.fullmatch(offered):
        return offered
    return uuid.uuid4().hex


def of(request: HttpRequest) -> str:
    """The id of a request; made here for one that did not pass the middleware."""
    known = getattr(request, "request_id", None)
    if known is None:
        known = accept_or_make(request.headers.get(HEADER))
        request.request_id = known  # type: ignore[attr-defined]  # our own addition
    return str(known)


class RequestIdMiddleware:
    """Sets ``request.request_id`` and the answer's ``X-Request-Id``; the outermost of all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Name the request, pass it on, name the answer."""
        name = of(request)
        token = _current.set(name)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response[HEADER] = name
        return response


class RequestIdFilter(logging.Filter):
    """Gives every log record the ``request_id`` of the request it was written in, or ``-``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: it adds, and drops nothing."""
        record.request_id = _current.get()
        return True
