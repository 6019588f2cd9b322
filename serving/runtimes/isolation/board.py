"""One page of memory that a child and the parent share: what the child is doing.

The parent is not in the way of requests, and still it must know who is idle, and whose request
was being worked on when a child died. A child may write nonsense here: the worst that comes of
it is that it is ended sooner or later than another.
"""

from __future__ import annotations

import mmap
import struct
import time

# Stage, connection being served, monotonic ns of the last change, served, must end by (ns or 0).
# Native, so that each number is written at once and never read half.
_LAYOUT = struct.Struct("@QQQQQ")
LOADING, READY = 0, 1


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

    def begin(self, connection: int, until_s: float = 0.0) -> None:
        """A request of this connection is worked on, until that monotonic time at most."""
        self._write(connection, int(until_s * 1e9))

    def end(self) -> None:
        """Idle again."""
        self._served += 1
        self._write(0)

    def _write(self, connection: int, until_ns: int = 0) -> None:
        now = time.monotonic_ns()
        _LAYOUT.pack_into(self._page, 0, self._stage, connection, now, self._served, until_ns)

    def _read(self) -> tuple[int, ...]:
        return _LAYOUT.unpack_from(self._page, 0)

    @property
    def is_loading(self) -> bool:
        """Not yet ready to answer."""
        return self._read()[0] != READY

    @property
    def serving(self) -> int:
        """The connection whose request is being worked on, 0 for none."""
        return self._read()[1]

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
