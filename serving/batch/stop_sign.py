"""Plain: a sign that a process puts up for itself and the children that it has forked."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable


class Stopped(Exception):
    """The process is to end soon: what is under way is given back."""


class StopSign:
    """To be made before the fork: one byte of memory that parent and children share.

    Nobody takes it down: who has put it up ends.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def put_up(self) -> None:
        """Say that no further work is to be begun."""
        self._page[0] = 1

    def __call__(self) -> bool:
        """Whether it is up."""
        return self._page[0] == 1


class Grace:
    """How long somebody who is at work goes on after the sign; counted from when they see it."""

    def __init__(self, is_stopping: Callable[[], bool], grace_s: float) -> None:
        self._is_stopping = is_stopping
        self._grace_s = grace_s
        self._seen_at: float | None = None

    def check(self) -> None:
        """Raise Stopped when the sign is up and the time is over."""
        if not self._is_stopping():
            return
        now = time.monotonic()
        if self._seen_at is None:
            self._seen_at = now
        if now - self._seen_at >= self._grace_s:
            raise Stopped
