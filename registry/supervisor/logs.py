"""What the parts write: line by line into a rotated file each, and to standard error."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 2**20
KEPT_FILES = 5
TAIL_LINES = 25
# A line without an end is cut here, so that a part cannot fill our memory.
LINE_MAX_BYTES = 64 * 2**10


class PartLog:
    """The log of one part. A full disk or a closed standard error never stops the parts.

    While ``is_echoed`` says no, lines stand in the file alone, unless it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        max_bytes: int = MAX_BYTES,
        is_echoed: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.is_echoed = is_echoed
        self.path = folder / f"{name}.log"
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._max_bytes = max_bytes
        self._rest = b""
        self._file: BinaryIO | None = None
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take what a part wrote; an unfinished line waits for its end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_MAX_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._write(line)

    def say(self, text: str) -> None:
        """Write a line of our own."""
        for line in text.splitlines():
            self._write(line.encode())

    def flush(self) -> None:
        """Write the unfinished line: the part has ended."""
        if self._rest:
            self._write(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Write what is left and let the file go."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def end(self) -> str:
        """The last lines."""
        return "\n".join(self.tail)

    def _write(self, line: bytes) -> None:
        self.tail.append(line.decode(errors="replace"))
        is_kept = True
        try:
            self._keep(line + b"\n")
        except OSError as error:
            is_kept = False
            _to_stderr(f"up       | {self.path} cannot be written: {error.strerror}\n".encode())
        if self.is_echoed() or not is_kept:
            _to_stderr(f"{self.name:<8} | ".encode() + line + b"\n")

    def _keep(self, line: bytes) -> None:
        if self._file is None or self._size_bytes + len(line) > self._max_bytes:
            self._open(rotate=self._file is not None)
        assert self._file is not None
        self._file.write(line)
        self._size_bytes += len(line)

    def _open(self, *, rotate: bool) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if rotate or (self.path.exists() and self.path.stat().st_size >= self._max_bytes):
            for number in range(KEPT_FILES - 1, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number}")
                if older.exists():
                    older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._size_bytes = self.path.stat().st_size


def _to_stderr(line: bytes) -> None:
    try:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    except (OSError, ValueError):
        return
