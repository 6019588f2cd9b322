"""Where downloads land: whole under their name, or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from modelyard.errors import ConnectionFailed, UsageError
from modelyard.transport import Sink, Writable


@contextmanager
def landing(path: Path) -> Iterator[Sink]:
    """A sink beside ``path`` that takes its name when the block ends well and is removed else.

    A second attempt starts the file again. UsageError where the folder does not exist.
    """
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {str(path.parent)!r}.")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder.")
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield lambda: part.open("wb")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Outlet:
    """A sink that cannot take anything back, such as standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._has_begun = False

    def __call__(self) -> AbstractContextManager[Writable]:
        """The stream, to begin with: what is out is out, and would be repeated."""
        if self._has_begun:
            raise ConnectionFailed("The download broke off and what came is already written.")
        return self._opened()

    def write(self, chunk: bytes, /) -> int:
        """Pass on; from now on there is no second attempt."""
        self._has_begun = True
        return self._stream.write(chunk)

    @contextmanager
    def _opened(self) -> Iterator[Writable]:
        yield self
        self._stream.flush()
