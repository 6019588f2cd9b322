"""The express lane: answers scoring requests with a key or a known session before Django does.

A WSGI callable in front of Django's. What is plainly a scoring request of somebody who may make it
is answered here, with no query, no request object and no middleware; everything else goes on to
Django untouched, which then says what is wrong with it. Both doors go through ``lanes.answer``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from http.client import responses
from typing import Any, NamedTuple

from django.conf import settings
from django.db import close_old_connections

from registry import limits, problems
from registry.api.auth import session_at_hand
from registry.api.metrics import count_request
from registry.conf import conf
from registry.errors import DomainError
from registry.request_id import HEADER, accept_or_make, current
from serving.actions.passes import Pass, passes
from serving.api import lanes
from serving.api.express_frames import Frame, Frames
from serving.protocols.base import Encoded

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


_KEY, _TOKEN = "HTTP_AUTHORIZATION", "HTTP_X_CSRFTOKEN"
# Django has its own readers for these.
_FORMS = ("multipart/", "application/x-www-form-urlencoded")


class _Request(NamedTuple):
    """A request that is answered here."""

    place: lanes.Place
    found: Pass
    frame: Frame
    length: int


class Express:
    """Answers scoring requests; ``app``, which is Django's, gets the others.

    ``as_domain_error`` puts errors of libraries into our words; None for one nobody expected.
    """

    def __init__(
        self, app: WsgiApp, *, as_domain_error: Callable[[Exception], DomainError | None]
    ) -> None:
        self.app = app
        self.as_domain_error = as_domain_error
        self.frames = Frames(app)
        self.max_body_bytes: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or hand on."""
        began_s = time.perf_counter()
        if environ["REQUEST_METHOD"] != "POST" or not (_KEY in environ or _TOKEN in environ):
            return self.app(environ, start_response)
        request = self._read(environ)
        if request is None:
            return self.app(environ, start_response)
        name = accept_or_make(environ.get("HTTP_X_REQUEST_ID"))
        token = current.set(name)
        try:
            status, content_type, headers, body = self._answer(request, environ, name)
        finally:
            current.reset(token)
        start_response(
            f"{status} {responses.get(status, '')}",
            request.frame.headers(content_type, headers, len(body), (HEADER, name)),
        )
        count_request("POST", f"/{request.place.lane.route}", status, time.perf_counter() - began_s)
        return [body]

    def _read(self, environ: Environ) -> _Request | None:
        """The request, as far as it can be told without its body; None for one of Django's."""
        place = lanes.place_of(environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        if place is None:
            return None
        length = _length(environ, self.max_body_bytes)
        if length is None or _is_form(environ):
            return None
        found = _pass_of_key(place, environ) if _KEY in environ else _pass_of_user(place, environ)
        frame = self.frames.of(place.lane, environ) if found else None
        if found is None or frame is None:
            return None
        return _Request(place, found, frame, length)

    def _answer(
        self, request: _Request, environ: Environ, name: str
    ) -> tuple[int, str, dict[str, str], bytes]:
        """Status, content type, further headers and body. Never raises for an exception."""
        try:
            encoded = _score(request, environ, name)
        except Exception as error:
            shown = self._refusal(error, environ, name)
            return shown.status, shown.content_type, shown.headers, shown.body
        return 200, encoded.content_type, dict(encoded.headers), encoded.body

    def _refusal(self, error: Exception, environ: Environ, name: str) -> problems.Rendered:
        known, path = self.as_domain_error(error), environ["PATH_INFO"]
        shown = problems.render(
            known or error,
            request_id=name,
            docs_url=_docs_url(environ),
            dialect=problems.dialect_of(path, environ.get(_KEY, "")),
        )
        if known is None:
            log.error("Unexpected error at %s", path, exc_info=error)
        elif shown.status >= 500:
            log.error("%s: %s", responses.get(shown.status, ""), path)
        return shown


def _score(request: _Request, environ: Environ, name: str) -> Encoded:
    by = request.found.principal.id
    limits.spend_for(by)
    body = environ["wsgi.input"].read(request.length) if request.length else b""
    return lanes.answer(
        request.place.lane,
        environ,
        body,
        resolution=request.found.resolution,
        ref=request.place.ref,
        by=by,
        request_id=name,
        on_row_error=request.place.on_row_error,
    )


def _pass_of_user(place: lanes.Place, environ: Environ) -> Pass | None:
    """The pass of who is signed in, where it is at hand: Django reads it, once a change."""
    try:
        user = session_at_hand(environ)
    except Exception:  # whatever it is, Django meets it again
        return None
    return passes.of_user(user, place.ref, place.number) if user else None


def _pass_of_key(place: lanes.Place, environ: Environ) -> Pass | None:
    """The caller's pass; None where there is none: Django finds out again why, and says it."""
    key = place.lane.key_of(environ)
    # A cookie may be a session, which has a word in the headers.
    if key is None or "HTTP_COOKIE" in environ:
        return None
    ref, number = place.ref, place.number
    try:
        known = passes.known(key, ref, number)
        if known is not None:
            return known
        # As Django does around each request: a connection may have died since it was used.
        close_old_connections()
        try:
            return passes.find(key, ref, number)
        finally:
            close_old_connections()
    except Exception:  # whatever it is, Django meets it again, and logs it if it is a bug
        return None


def _length(environ: Environ, largest: int) -> int | None:
    """The length of the body, 0 for none; None for one that Django has to refuse."""
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        return None
    length = int(text)
    return length if length <= largest else None


def _is_form(environ: Environ) -> bool:
    content_type: str = environ.get("CONTENT_TYPE", "")
    return content_type.strip().lower().startswith(_FORMS)


def _docs_url(environ: Environ) -> str:
    """Where the error codes are described, as the caller reaches it."""
    origin = conf.public_url or f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
    return f"{origin}/docs/errors"
