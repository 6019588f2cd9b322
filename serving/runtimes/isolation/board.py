"""One page of memory that a child and the parent share: what the child is doing.

The parent is not in the way of requests, and still it must know who is idle, and whose requests
were being worked on when a child died. A child may write nonsense here: the worst that comes of
it is that it is ended sooner or later than another.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Sequence

# Stage, connections being served, monotonic ns of the last change, served, must end by (ns or 0).
# Native, so that each number is written at once and never read half.
_LAYOUT = struct.Struct("@QQQQQ")
_NUMBER = struct.Struct("@Q")
LOADING, READY = 0, 1
# Requests that may be worked on together: their connections have to fit on the page.
MOST_TOGETHER = 64


class Board:
    """Written by the child, read by the parent."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._stage, self._served = LOADING, 0
        self._write(0)

    def hide_from_later_children(self) -> None:
        """Called by the parent after its fork: later children do not get this page mapped."""
        self._page.madvise(mmap.MADV_DONTFORK)

    def close(self) -> None:
        """Unmap the page."""
        self._page.close()

    def ready(self) -> None:
        """The model is loaded."""
        self._stage = READY
        self._write(0)

    def begin(self, connections: Sequence[int], until_s: float = 0.0) -> None:
        """Requests of these connections are worked on, until that monotonic time at most.

        At most ``MOST_TOGETHER``. The numbers are there before their count is.
        """
        for at, connection in enumerate(connections):
            _NUMBER.pack_into(self._page, _LAYOUT.size + at * _NUMBER.size, connection)
        self._write(len(connections), int(until_s * 1e9))

    def end(self) -> None:
        """Idle again."""
        self._write(0)

    def count(self, answered: int) -> None:
        """So many more requests are answered; said while idle."""
        self._served += answered
        self._write(0)

    def _write(self, connections: int, until_ns: int = 0) -> None:
        now = time.monotonic_ns()
        _LAYOUT.pack_into(self._page, 0, self._stage, connections, now, self._served, until_ns)

    def _read(self) -> tuple[int, ...]:
        return _LAYOUT.unpack_from(self._page, 0)

    @property
    def is_loading(self) -> bool:
        """Not yet ready to answer."""
        return self._read()[0] != READY

    @property
    def serving(self) -> tuple[int, ...]:
        """The connections whose requests are being worked on, empty for none."""
        count = min(self._read()[1], MOST_TOGETHER)
        end = _LAYOUT.size + count * _NUMBER.size
        return tuple(n for (n,) in _NUMBER.iter_unpack(self._page[_LAYOUT.size : end]))

    @property
    def last_used_ns(self) -> int:
        """Monotonic time of the last beginning or end of a request."""
        return self._read()[2]

    def is_overdue(self, grace_s: float) -> bool:
        """Whether the child should have been ended by its own timer that long ago."""
        until_ns = self._read()[4]
        return bool(until_ns) and time.monotonic_ns() > until_ns + int(grace_s * 1e9)

    def claims_forever(self, longest_s: float) -> bool:
        """Whether a request is worked on without an end, or with one later than any request's.

        It may also be seen for a moment while an honest child writes.
        """
        _, serving, _, _, until_ns = self._read()
        latest = time.monotonic_ns() + int(longest_s * 1e9)
        return bool(serving) and (not until_ns or until_ns > latest)

    @property
    def served(self) -> int:
        """Requests answered."""
        return self._read()[3]
