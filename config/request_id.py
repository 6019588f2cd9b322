"""Names each of Django's requests by ``registry.request_id``, and puts the name on log lines."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from registry.request_id import HEADER, accept_or_make, current

# `request.headers` would name all of them first.
_META = f"HTTP_{HEADER.upper().replace('-', '_')}"


def of(request: HttpRequest) -> str:
    """The id of a request; made here for one that did not pass the middleware."""
    known = getattr(request, "request_id", None)
    if known is None:
        known = accept_or_make(request.META.get(_META))
        request.request_id = known  # type: ignore[attr-defined]  # our own addition
    return str(known)


class RequestIdMiddleware:
    """Sets ``request.request_id`` and the answer's ``X-Request-Id``; the outermost of all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Name the request, pass it on, name the answer."""
        name = of(request)
        token = current.set(name)
        try:
            response = self.get_response(request)
        finally:
            current.reset(token)
        response[HEADER] = name
        return response


class RequestIdFilter(logging.Filter):
    """Gives every log record the ``request_id`` of the request it was written in, or ``-``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: it adds, and drops nothing."""
        record.request_id = current.get()
        return True
