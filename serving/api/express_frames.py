"""What every answer of a lane carries: Django is asked once, and its headers are used again.

So hosts, the redirect to https and the security headers stay Django's middleware's alone.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.api.metrics import UNMEASURED
from registry.request_id import HEADER
from serving.api.lanes import Lane

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

KEPT = 256
_LENGTH = "content-length"
# An answer's own: never taken over from another one.
_OWN = frozenset({"content-type", "www-authenticate", HEADER.lower()})
_HAS_KEY = "HTTP_AUTHORIZATION"
_NO_KEY = "Bearer -"


@dataclass(frozen=True, slots=True)
class Frame:
    """The headers that all answers of a lane share: those before and after the length."""

    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]

    def headers(
        self,
        content_type: str,
        own: Mapping[str, str],
        length: int,
        last: tuple[str, str],
    ) -> Headers:
        """All headers of an answer, in the order in which Django sends them."""
        return [
            ("Content-Type", content_type),
            *own.items(),
            *self.before,
            ("Content-Length", str(length)),
            *self.after,
            last,
        ]


class Frames:
    """A frame for each lane, scheme and host that Django would answer at, for keys and without."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app
        self._known: dict[tuple[str, str, str, bool], Frame] = {}

    def of(self, lane: Lane, environ: dict[str, Any]) -> Frame | None:
        """The frame of a request; None where Django has other plans, such as a wrong host."""
        host = environ.get("HTTP_HOST")
        if not host:
            return None
        key = (lane.route, environ["wsgi.url_scheme"], host, _HAS_KEY in environ)
        found = self._known.get(key)
        if found is None:
            found = _frame(*self._ask(environ))
            if found is not None:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[key] = found
        return found

    def _ask(self, environ: dict[str, Any]) -> tuple[str, Headers]:
        """Status and headers of Django's answer to the same call with a key that is none.

        Without a key it is asked without: the answer then depends on the cookie, and says so.
        """
        told: list[Any] = []
        asked = {
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": "0",
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            UNMEASURED: True,
        }
        for name in ("PATH_INFO", "SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT"):
            asked[name] = environ.get(name, "")
        asked["wsgi.url_scheme"] = environ["wsgi.url_scheme"]
        if _HAS_KEY in environ:
            asked[_HAS_KEY] = _NO_KEY
        answer = self._app(asked, lambda status, headers, *_: told.extend((status, headers)))
        if close := getattr(answer, "close", None):
            close()
        return told[0], told[1]


def _frame(status: str, headers: Headers) -> Frame | None:
    """What is left of a refusal without what it says about itself; None if it is another."""
    if not status.startswith("401"):
        return None
    kept: Sequence[tuple[str, str]] = [h for h in headers if h[0].lower() not in _OWN]
    at = next(i for i, (name, _) in enumerate(kept) if name.lower() == _LENGTH)
    return Frame(tuple(kept[:at]), tuple(kept[at + 1 :]))
