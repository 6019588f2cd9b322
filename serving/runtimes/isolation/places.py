"""How many calls of one process may be in the model host at a time, so that others find a thread.

A slow model makes its callers wait, and each that waits holds a thread of a web process. Beyond the
bound a call is refused at once: its caller knows, and the thread is free for another model.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serving.runtimes.isolation.connection import Name
from serving.runtimes.isolation.errors import HostBusy


class Places:
    """At most ``most`` calls at once, ``most_of_one`` of them for one model. Safe over a fork."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._start_empty()

    def _start_empty(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._taken: Counter[Name] = Counter()

    @contextmanager
    def one_for(self, name: Name) -> Iterator[None]:
        """A place for the length of a call. Raises HostBusy when there is none."""
        if self._pid != os.getpid():
            self._start_empty()  # another thread may have held the lock at the fork
        with self._lock:
            if self._taken[name] >= self._most_of_one:
                raise HostBusy("Too many requests wait for this model.", retry_after_s=1)
            if self._taken.total() >= self._most:
                raise HostBusy("Too many requests wait for models.", retry_after_s=1)
            self._taken[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[name] -= 1
                if not self._taken[name]:
                    del self._taken[name]
