"""A file whose bytes come piece by piece: a thread hashes and writes them while more come."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.storage.faults import space_errors
from registry.tabular.hashing import HashingSink

# So many pieces may wait for a slow disk, then the sender waits too.
PIECES_WAITING = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """What is now held: hexadecimal sha256 and the size in bytes."""

    sha256: str
    size_bytes: int


class Incoming:
    """A new file at ``path``; what was there is overwritten.

    What goes wrong with the disk is raised at a later piece or at the end: OSError, StorageFull.
    """

    def __init__(self, path: Path) -> None:
        self._sink = HashingSink(path)
        self._thread = ThreadPoolExecutor(1, "incoming")
        self._waiting: deque[Future[int]] = deque()

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        if len(self._waiting) == PIECES_WAITING:
            self._settle_one()
        self._waiting.append(self._thread.submit(self._sink.write, piece))

    def finish(self) -> Stored:
        """What the file holds, once all of it is written."""
        while self._waiting:
            self._settle_one()
        self._thread.shutdown()
        with space_errors():
            self._sink.close()
        return Stored(self._sink.sha256(), self._sink.size_bytes)

    def close(self) -> None:
        """Give the rest up, if there is any: nobody needs room for it. May be called again."""
        self._thread.shutdown(cancel_futures=True)
        with suppress(OSError):
            self._sink.close()

    def _settle_one(self) -> None:
        with space_errors():
            self._waiting.popleft().result()
