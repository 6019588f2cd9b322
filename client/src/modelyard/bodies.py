"""Request bodies that can be sent again and are never whole in memory when they are files.

Multipart follows RFC 7578. Lengths are known before the first byte leaves, so nothing is chunked,
and ``wire()`` starts afresh for each attempt.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelyard.errors import UsageError

CHUNK_BYTES = 256 * 1024

OnBytes = Callable[[int], None]  # told how many bytes of the body are out; falls back on a retry


def _ignore(sent: int) -> None:
    del sent


class Source(Protocol):
    """Bytes of a known number that can be read more than once."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    def chunks(self) -> Iterator[bytes]:
        """All of them, from the start."""


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory."""

    content: bytes

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """All at once; nothing for an empty one."""
        if self.content:
            yield self.content


class FileSource:
    """A regular file, opened anew by every reading, of the size it had in the beginning."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise UsageError(f"There is no file {str(self.path)!r}.")
        if not self.path.is_file():
            raise UsageError(f"{str(self.path)!r} is not a regular file.")
        self.size_bytes = self.path.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes. UsageError when its length changes meanwhile."""
        left = self.size_bytes
        with self.path.open("rb") as file:
            while left:
                chunk = file.read(min(CHUNK_BYTES, left))
                left -= len(chunk)
                # Asked before the last piece leaves: what is not whole must not look whole.
                if not chunk or (not left and os.fstat(file.fileno()).st_size != self.size_bytes):
                    raise UsageError(f"{str(self.path)!r} changed while it was being sent.")
                yield chunk


@dataclass(frozen=True, slots=True)
class Joined:
    """Several sources one after the other."""

    parts: Sequence[Source]

    @property
    def size_bytes(self) -> int:
        """The sum."""
        return sum(part.size_bytes for part in self.parts)

    def chunks(self) -> Iterator[bytes]:
        """Each part's in turn."""
        for part in self.parts:
            yield from part.chunks()


@dataclass(frozen=True, slots=True)
class Body:
    """What one request carries: a source and its media type."""

    source: Source
    media_type: str
    on_bytes: OnBytes = _ignore

    def wire(self) -> bytes | Iterable[bytes]:
        """A fresh copy for one attempt, with a length that the HTTP library can ask for."""
        return _Sized(self) if self.source.size_bytes else b""


class _Sized:
    """An iterable with a length in bytes: requests then sends Content-Length, not chunks."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __len__(self) -> int:
        return self._body.source.size_bytes

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for chunk in self._body.source.chunks():
            yield chunk
            sent += len(chunk)
            self._body.on_bytes(sent)


def json_body(document: Any) -> Body:
    """``document`` as JSON. UsageError for a number that JSON does not have."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        content = text.encode()
    except (TypeError, ValueError) as exc:
        raise UsageError(f"This does not go into JSON: {exc}.") from exc
    return Body(BytesSource(content), "application/json")


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a form. ``filename`` is a label for people; the service makes no path of it."""

    field: str
    filename: str
    source: Source
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Form:
    """Text fields and files. Fields come first, so that a wrong one is found before the files."""

    fields: Mapping[str, str]
    files: Sequence[FilePart]
    boundary: str = field(default_factory=lambda: uuid.uuid4().hex)

    def body(self, on_bytes: OnBytes = _ignore) -> Body:
        """The form as multipart/form-data."""
        parts: list[Source] = []
        for name, value in self.fields.items():
            parts.append(self._head(f'name="{_quoted(name)}"'))
            parts.append(BytesSource(value.encode() + b"\r\n"))
        for file in self.files:
            names = f'name="{_quoted(file.field)}"; filename="{_quoted(file.filename)}"'
            parts.append(self._head(f"{names}\r\nContent-Type: {file.media_type}"))
            parts += [file.source, BytesSource(b"\r\n")]
        parts.append(BytesSource(f"--{self.boundary}--\r\n".encode()))
        media_type = f"multipart/form-data; boundary={self.boundary}"
        return Body(Joined(parts), media_type, on_bytes)

    def _head(self, disposition: str) -> BytesSource:
        text = f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        return BytesSource(text.encode())


def _quoted(text: str) -> str:
    """As the HTML standard escapes names in forms."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
