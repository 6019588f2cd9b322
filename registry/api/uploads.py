"""Takes forms with files: each file is streamed into a scratch file, counted and hashed, once.

1. The handlers are put in place before anybody can read the body (``Intake``).
2. A part over its cap, an unknown file part or a form that breaks off ends the reading at once.
3. What is to be kept is published by ``Part.keep``, which moves the scratch file.
4. ``Intake.clean`` removes all that is left, whatever has happened.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser

from registry import storage
from registry.errors import (
    InvalidField,
    MalformedMultipart,
    TooLarge,
    UnsupportedMediaType,
)
from registry.storage import Stored
from registry.storage.incoming import Incoming

CHUNK_BYTES = 1 << 18
# What a form may hold beside its largest file: other parts and the headers of all.
FORM_EXTRA_BYTES = 64 << 20
CSRF_PART = "csrfmiddlewaretoken"
_EPILOGUE_BYTES = 1 << 10


class Part:
    """One file part, in a scratch file. ``label`` is the client's name for it, never a path."""

    def __init__(self, path: Path, stored: Stored, label: str, media_type: str) -> None:
        self.path = path
        self.stored = stored
        self.label = label
        self.media_type = media_type

    def head(self, size_bytes: int) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as file:
            return file.read(size_bytes)

    def read(self) -> bytes:
        """The whole of a small part."""
        return self.path.read_bytes()

    def keep(self) -> None:
        """Hold the bytes under their digest; may be called once. Raises StorageFull."""
        storage.put_file(self.path, storage.blob_name(self.stored.sha256))

    def close(self) -> None:
        """Django closes what came as a file; ours is closed since it was whole."""


class TextPart:
    """A part without a file name that is kept like a file."""

    def __init__(self, text: str) -> None:
        self.body = text.encode()
        self.stored = Stored(hashlib.sha256(self.body).hexdigest(), len(self.body))

    def keep(self) -> None:
        """Hold the bytes under their digest. Raises StorageFull."""
        storage.put_bytes(self.body)


class _PartHandler(FileUploadHandler):
    """Django's upload handler for one request: writes, counts and hashes."""

    chunk_size = CHUNK_BYTES

    def __init__(self, request: HttpRequest, caps: Mapping[str, int]) -> None:
        super().__init__(request)
        self.caps = caps
        self.paths: list[Path] = []
        self._incoming: Incoming | None = None

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin a part. Raises InvalidField for one that the form does not have."""
        super().new_file(field_name, *args, **kwargs)
        if field_name not in self.caps:
            known = ", ".join(self.caps)
            raise InvalidField(
                f"Unknown part “{field_name[:100]}”; known are {known}.",
                pointer=f"/{field_name[:100]}",
            )
        handle, name = tempfile.mkstemp(dir=storage.scratch_folder(), suffix=".part")
        os.close(handle)
        self.paths.append(Path(name))
        self._close()
        self._incoming, self._size = Incoming(self.paths[-1]), 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take one piece. Raises TooLarge at the first byte over the cap, and StorageFull."""
        cap = self.caps[self.field_name or ""]
        self._size += len(raw_data)
        if self._size > cap:
            raise TooLarge(f"“{self.field_name}” is larger than {cap} bytes.", limit_bytes=cap)
        assert self._incoming is not None
        self._incoming.write(raw_data)

    def file_complete(self, file_size: int) -> Part:  # type: ignore[override]  # not Django's class
        """The part as it stands. Raises StorageFull."""
        assert self._incoming is not None
        stored = self._incoming.finish()
        return Part(self.paths[-1], stored, self.file_name or "", self.content_type or "")

    def clean(self) -> None:
        """Remove every scratch file that was not kept."""
        self._close()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._incoming is not None:
            self._incoming.close()


class Intake(FileUploadHandler):
    """Stands before Django's parser: refuses what is too long, and what does not end properly.

    Django takes a form without its last boundary for a whole one, so that half a file would look
    like a file; granian ends its stream alike when a client has gone away.
    """

    chunk_size = CHUNK_BYTES

    def __init__(self, request: HttpRequest, caps: Mapping[str, int]) -> None:
        super().__init__(request)
        self.caps = caps
        self.parts = _PartHandler(request, caps)

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803  # Django names it
        content_length: int,
        boundary: Any,  # bytes; the stubs say text
        encoding: str | None = None,
    ) -> tuple[Any, Any]:
        """The text parts and the file parts. Raises TooLarge and MalformedMultipart."""
        limit = max(self.caps.values()) + FORM_EXTRA_BYTES
        is_chunked = "chunked" in META.get("HTTP_TRANSFER_ENCODING", "").lower()
        if content_length > limit and not is_chunked:
            cap = max(self.caps.values())
            raise TooLarge(f"The form is larger than {cap} bytes.", limit_bytes=cap)
        stream = _Whole(input_data, boundary)
        body: Any = stream  # the parser only reads
        form = MultiPartParser(META, body, [self.parts], encoding or "utf-8").parse()
        stream.require_end()
        return form

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Never called: the inner handler takes the pieces."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Never called."""

    def clean(self) -> None:
        """Remove every scratch file that was not kept."""
        self.parts.clean()


class NoForm(FileUploadHandler):
    """For doors that take no form: refuses one before any of it is read."""

    def __init__(self, request: HttpRequest, accepted: Sequence[str]) -> None:
        super().__init__(request)
        self.accepted = accepted

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises UnsupportedMediaType."""
        raise UnsupportedMediaType("A form is not read here.", accepted=self.accepted)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Never called."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Never called."""


class _Whole:
    """A body that is read on to the parser, while its last bytes are remembered."""

    def __init__(self, source: Any, boundary: bytes) -> None:
        self.source = source
        self.closing = b"--" + boundary + b"--"
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        piece: bytes = self.source.read(size)
        keep = len(self.closing) + _EPILOGUE_BYTES
        self.tail = (self.tail + piece[-keep:])[-keep:]
        return piece

    def require_end(self) -> None:
        """Raise MalformedMultipart unless the last boundary has come."""
        if self.closing not in self.tail:
            raise MalformedMultipart("The form ended before its last boundary.")


def form_of(request: HttpRequest) -> dict[str, str | Part]:
    """All parts of a form by name, but for a page's CSRF token.

    Raises MalformedMultipart for a name that comes twice, and for a body of no bytes, which Django
    takes for a form without parts.
    """
    if request.META.get("CONTENT_LENGTH") == "0":
        raise MalformedMultipart("The form ended before its last boundary.")
    named: dict[str, Any] = {}
    for group in (request.POST, request.FILES):
        for name, values in group.lists():
            if name == CSRF_PART:
                continue
            if name in named or len(values) > 1:
                raise MalformedMultipart(f"The part “{name[:100]}” comes more than once.")
            named[name] = values[0]
    return named
