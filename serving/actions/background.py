"""Work that follows an answer and that nobody waits for: a bounded queue and one thread for it.

Whoever offers never waits: what does not fit is refused at once. The thread begins with the first
offer, in the process that makes it, so a fork needs no care; what a parent had queued stays the
parent's. At the end of a process the rest is worked on for two seconds at most.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.util import Finalize
from typing import Any, Generic, TypeVar

from django.db import close_old_connections

T = TypeVar("T")
log = logging.getLogger(__name__)

LAST_S = 2.0
_all: weakref.WeakSet[Background[Any]] = weakref.WeakSet()


class Seldom:
    """Says whether a minute has passed: for what must not fill a log."""

    def __init__(self, every_s: float = 60.0) -> None:
        self._every_s = every_s
        self._next_s = float("-inf")

    def is_due(self) -> bool:
        """True at most once a minute."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True


class Background(Generic[T]):
    """``work`` gets what was offered, oldest first, at most ``at_once`` at a time.

    ``most`` items of together ``most_bytes`` wait at a time. Before it takes less than ``at_once``
    the thread waits ``gather_s`` for more. What ``work`` raises is logged, once a minute, and what
    it had taken is lost: ``on_lost`` is called with how many those were.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[T]], None],
        *,
        most: int,
        most_bytes: int,
        at_once: int = 1,
        gather_s: float = 0.0,
        on_lost: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._most_bytes = most_bytes
        self._at_once = at_once
        self._gather_s = gather_s
        self._on_lost = on_lost
        self._telling = Seldom()
        self._forget()
        _all.add(self)

    def _forget(self) -> None:
        """Begin anew, as a forked child has to: its parent's thread and lock are not its own."""
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._waiting_bytes = 0
        self._is_working = False
        self._is_ending = False
        self._thread: threading.Thread | None = None

    def offer(self, item: T, size_bytes: int = 0) -> bool:
        """Queue it; False where it does not fit, or the process ends. Takes microseconds."""
        with self._changed:
            bytes_then = self._waiting_bytes + size_bytes
            if self._is_ending or len(self._waiting) >= self._most or bytes_then > self._most_bytes:
                return False
            self._waiting.append((item, size_bytes))
            self._waiting_bytes = bytes_then
            if self._thread is None:
                self._begin()
            if len(self._waiting) in (1, self._at_once):
                self._changed.notify_all()
        return True

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits and nothing is being worked on; False where it took longer."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout_s)

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end: ``work`` should be brief."""
        return self._is_ending

    def rest(self, seconds: float) -> None:
        """For ``work``: let others have the processor. The end of the process cuts it short."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, seconds)

    def end(self, timeout_s: float = LAST_S) -> None:
        """Take nothing more, work on what is left, and end the thread."""
        with self._changed:
            thread, self._is_ending = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout_s)

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        atexit.register(self.end)
        # Children of multiprocessing leave without asking atexit.
        Finalize(None, self.end, exitpriority=10)

    def _run(self) -> None:
        while taken := self._take():
            try:
                close_old_connections()
                self._work(taken)
            except Exception:
                if self._telling.is_due():
                    log.exception("Lost %s of the %s", len(taken), self._name)
                self._on_lost(len(taken))
            finally:
                close_old_connections()
                with self._changed:
                    self._is_working = False
                    self._changed.notify_all()

    def _take(self) -> list[T]:
        """What comes next; empty only when the process ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ending)
            if self._gather_s:
                self._changed.wait_for(self._has_enough, self._gather_s)
            count = min(self._at_once, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(count)]
            self._waiting_bytes -= sum(size for _, size in taken)
            self._is_working = bool(taken)
        return [item for item, _ in taken]

    def _has_enough(self) -> bool:
        return self._is_ending or len(self._waiting) >= self._at_once

    def _is_idle(self) -> bool:
        return not self._waiting and not self._is_working


def _forget_all() -> None:
    for background in _all:
        background._forget()


os.register_at_fork(after_in_child=_forget_all)
