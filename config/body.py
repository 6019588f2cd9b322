"""Hands Django the body of a chunked request, and tells a body that broke off from one that ended.

Django reads as many bytes as ``Content-Length`` says, so with ``Transfer-Encoding: chunked`` it
sees none. And granian ends its stream in the same way when the client has gone away, so half a
file would look like a whole one (measured with granian 2.8).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from typing import IO, Any, Protocol

from registry.errors import BadRequest, MalformedBody, MalformedMultipart, TooLarge

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

IN_MEMORY_BYTES = 1 << 20
PIECE_BYTES = 1 << 18
# What a form adds to its file: other fields, an example file, headers of parts.
FORM_EXTRA_BYTES = 64 << 20
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))', re.IGNORECASE)


class Readable(Protocol):
    """The part of a WSGI input stream that is used."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; b"" at the end."""
        ...


class Framing:
    """WSGI layer. ``max_form_bytes`` caps a chunked form's file, ``max_body_bytes`` all else."""

    def __init__(
        self, app: WsgiApp, *, max_body_bytes: int, max_form_bytes: int, folder: str
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_form_bytes = max_form_bytes + FORM_EXTRA_BYTES
        self.folder = folder

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Give the request a length and a guarded stream, then go on."""
        if environ.get("CONTENT_LENGTH"):
            # Of a body that is really chunked the server has taken the length away: this one was
            # called so with an underscore, to have half a body pass for a whole one.
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return self._chunked(environ, start_response)
        if (length := environ.get("CONTENT_LENGTH", "")).isdigit() and int(length):
            environ["wsgi.input"] = Counted(environ["wsgi.input"], int(length))
        return self.app(environ, start_response)

    def _chunked(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """A form streams on to its handlers; anything else is read now, to know its length."""
        boundary = _boundary(environ.get("CONTENT_TYPE", ""))
        if boundary:
            environ["wsgi.input"] = Form(environ["wsgi.input"], boundary, self.max_form_bytes)
            environ["CONTENT_LENGTH"] = str(self.max_form_bytes + 1)
            return self.app(environ, start_response)
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=self.folder) as kept:
            size = self._spool(environ["wsgi.input"], kept)
            is_whole = size <= self.max_body_bytes
            environ["wsgi.input"] = kept if is_whole else Refusing(_too_large(self.max_body_bytes))
            environ["CONTENT_LENGTH"] = str(size)
            return self.app(environ, start_response)

    def _spool(self, source: Readable, kept: IO[bytes]) -> int:
        """Copy until the end, or until the cap is passed; the bytes copied."""
        size = 0
        while size <= self.max_body_bytes and (piece := source.read(PIECE_BYTES)):
            kept.write(piece)
            size += len(piece)
        kept.seek(0)
        return size


class Counted:
    """A stream of known length; raises MalformedBody when it ends before that."""

    def __init__(self, source: Readable, length: int) -> None:
        self.source = source
        self.left = length

    def read(self, size: int = -1, /) -> bytes:
        """Exactly ``size`` bytes, or all that are left when that is fewer."""
        wanted = self.left if size < 0 else min(size, self.left)
        pieces = []
        while wanted:
            piece = self.source.read(wanted)
            if not piece:
                raise MalformedBody("The body ended before its Content-Length.")
            pieces.append(piece)
            wanted -= len(piece)
            self.left -= len(piece)
        return b"".join(pieces)

    # Django looks it up, and calls it never; WSGI says that it is there.
    readline = read


class Form:
    """A chunked multipart body: at most ``limit`` bytes, and it must end with its last boundary."""

    def __init__(self, source: Readable, boundary: bytes, limit: int) -> None:
        self.source = source
        self.closing = b"--" + boundary + b"--"
        self.limit = limit
        self.seen = 0
        self.tail = b""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes. Raises TooLarge, or MalformedMultipart when it breaks off."""
        wanted = PIECE_BYTES if size < 0 else min(size, PIECE_BYTES)
        piece = self.source.read(wanted) if wanted else b""
        self.seen += len(piece)
        if self.seen > self.limit:
            raise _too_large(self.limit)
        keep = len(self.closing) + 1024
        self.tail = (self.tail + piece[-keep:])[-keep:]
        if wanted and not piece and self.closing not in self.tail:
            raise MalformedMultipart("The form ended before its last boundary.")
        return piece

    # Django looks it up, and calls it never; WSGI says that it is there.
    readline = read


class Refusing:
    """Stands for a body that will not be read: asking for it raises the reason."""

    def __init__(self, reason: BadRequest | TooLarge) -> None:
        self.reason = reason

    def read(self, size: int = -1, /) -> bytes:
        """Raises the reason."""
        raise self.reason

    readline = read


def _boundary(content_type: str) -> bytes | None:
    """The boundary of a multipart content type; None for any other."""
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]).encode("latin-1") if found else None


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit_bytes} bytes.", limit_bytes=limit_bytes)
