"""Prometheus metrics that cost little where they are counted: a thread adds them up a bit later.

Adding to a metric takes locks and writes to a mapped file: 5 microseconds each, and a request has
five. So what happened is put on a list, and several times a second all of it is added at once.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Count
from collections import defaultdict, deque
from typing import TypeVar

from prometheus_client import Counter, Histogram

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.2
Item = TypeVar("Item")


class Meter:
    """What was counted and timed in this process and is not added yet. Thread-safe."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no threads, and its parent adds what it counted."""
        self._counts: deque[Counter] = deque()
        self._times: deque[tuple[Histogram, float]] = deque()
        self._lock = threading.Lock()
        self._is_due = threading.Event()
        self._is_begun = False

    def count(self, counter: Counter) -> None:
        """One more; ``counter`` has its labels already."""
        self._counts.append(counter)
        self._wake()

    def observe(self, histogram: Histogram, seconds: float) -> None:
        """One observation; ``histogram`` has its labels already."""
        self._times.append((histogram, seconds))
        self._wake()

    def flush(self) -> None:
        """Add all that has been counted until now."""
        with self._lock:
            for counter, n in Count(_taken(self._counts)).items():
                counter.inc(n)
            seconds_of: defaultdict[Histogram, list[float]] = defaultdict(list)
            for histogram, seconds in _taken(self._times):
                seconds_of[histogram].append(seconds)
            for histogram, observed in seconds_of.items():
                _observe_all(histogram, observed)

    def _wake(self) -> None:
        if not self._is_due.is_set():
            self._is_due.set()
            if not self._is_begun:
                self._begin()

    def _begin(self) -> None:
        with self._lock:
            if not self._is_begun:
                self._is_begun = True
                threading.Thread(target=self._flush_for_ever, name="meter", daemon=True).start()

    def _flush_for_ever(self) -> None:
        while True:
            self._is_due.wait()
            time.sleep(FLUSH_EVERY_S)
            self._is_due.clear()
            try:
                self.flush()
            except Exception:  # the thread has nobody to tell, and must go on
                log.exception("Some of the metrics were not added.")


def _taken(waiting: deque[Item]) -> list[Item]:
    """All that waits now, and no longer waits. Others may append meanwhile."""
    return [waiting.popleft() for _ in range(len(waiting))]


def _observe_all(histogram: Histogram, seconds: list[float]) -> None:
    """As ``histogram.observe`` for each, in one step for each bucket.

    The library has no such call; a bucket there counts what is at most its bound and above the one
    before, and a scrape adds them up.
    """
    places = Count(bisect_left(histogram._upper_bounds, value) for value in seconds)
    histogram._sum.inc(sum(seconds))
    for place, n in places.items():
        histogram._buckets[place].inc(n)


meter = Meter()
os.register_at_fork(after_in_child=meter.forget)
atexit.register(meter.flush)
