"""The two doors of scoring as WSGI callables, and calls as a server would make them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from config.body import Framing
from config.problems import as_domain_error
from serving.api.express import Express

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Asked:
    """One request. ``path`` is as it stands on the wire, ``chunked`` leaves its length out."""

    path: str = "/api/v1/models/churn/predict"
    body: bytes = b'{"instances": [{"age": 42, "city": "Rome"}]}'
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    query: str = ""
    scheme: str = "http"
    chunked: bool = False
    said_length: str | None = None

    def environ(self) -> dict[str, Any]:
        """As granian hands it in."""
        found: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(self.path).decode("latin-1"),
            "QUERY_STRING": self.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:8000",
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": sys.stderr,
        }
        if self.chunked:
            found["HTTP_TRANSFER_ENCODING"] = "chunked"
        else:
            length = str(len(self.body)) if self.said_length is None else self.said_length
            found["CONTENT_LENGTH"] = length
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            found[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return found


@dataclass(frozen=True)
class Told:
    """An answer; headers in their order."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status[:3])

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]


class Door:
    """A WSGI callable as it is mounted: behind what gives chunked bodies a length."""

    def __init__(self, app: Wsgi) -> None:
        told = settings.MODELYARD
        self.app = Framing(
            app,
            max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            max_form_bytes=max(told["MAX_ARTIFACT_BYTES"], told["MAX_DATASET_BYTES"]),
            folder=settings.FILE_UPLOAD_TEMP_DIR,
        )

    def ask(self, asked: Asked) -> Told:
        """The answer, read and closed as a server does it."""
        told: list[Any] = []
        answer = self.app(
            asked.environ(), lambda status, headers, *_: told.extend((status, headers))
        )
        try:
            body = b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        return Told(told[0], list(told[1]), body)


class Counted:
    """Django, and how many requests it got; what the express lane asks by itself is none."""

    def __init__(self) -> None:
        self.app = WSGIHandler()
        self.requests = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += "modelyard.unmeasured" not in environ
        return self.app(environ, start)


def django_door() -> Door:
    """Django alone."""
    return Door(WSGIHandler())


def express_door() -> tuple[Door, Counted]:
    """The express lane, and the Django behind it."""
    behind = Counted()
    return Door(Express(behind, as_domain_error=as_domain_error)), behind
