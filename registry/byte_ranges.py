"""Plain: a file that lies elsewhere, read by ranges of its bytes: seekable, with flat memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

FIRST_WINDOW_BYTES = 1 << 16
MOST_WINDOW_BYTES = 8 << 20


class RangeFile(io.RawIOBase):
    """Reads ``size_bytes`` bytes by ``fetch(start, stop)``, which must give all that was asked.

    Who reads on where the last read ended is read ahead, twice as far each time, up to 8 MiB; who
    jumps is not. Not thread-safe.
    """

    def __init__(self, size_bytes: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size = size_bytes
        self._fetch = fetch
        self._at = 0
        self._window_start = 0
        self._window = b""
        self._ahead_bytes = FIRST_WINDOW_BYTES

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; nothing is fetched. Raises ValueError before the beginning."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{base + offset} is before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as were asked, fewer only at the end: some readers take less for the end.

        A negative size reads all that is left.
        """
        left = max(self._size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted:
            piece = self._piece(wanted)
            pieces.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub says Buffer
        """Fill the buffer as far as there are bytes."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _piece(self, wanted: int) -> bytes:
        """Some of the next bytes, at least one."""
        offset = self._at - self._window_start
        if not 0 <= offset < len(self._window):
            self._move_window(wanted)
            offset = 0
        return self._window[offset : offset + wanted]

    def _move_window(self, wanted: int) -> None:
        reads_on = self._at == self._window_start + len(self._window)
        grown = min(self._ahead_bytes * 2, MOST_WINDOW_BYTES)
        self._ahead_bytes = grown if reads_on else FIRST_WINDOW_BYTES
        self._window = b""  # before the next one, so that there are never two
        stop = min(self._at + max(wanted, self._ahead_bytes), self._size)
        self._window_start = self._at
        self._window = self._fetch(self._at, stop)
        if len(self._window) != stop - self._at:
            raise OSError(f"{len(self._window)} bytes came, {stop - self._at} were asked for")
