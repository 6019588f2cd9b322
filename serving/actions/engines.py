"""Compiled graphs in this process: opened on first use, kept within a budget of memory.

A graph is never needed to answer: the original in the model host answers as it does, slower. So
whatever keeps a graph from being opened is logged once, the original serves, and the next try is
made after a while; never for one that alone would take more than the budget.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client import Counter

from registry import storage
from registry.metering import meter
from registry.signature.types import Signature
from serving.actions.targets import Target
from serving.conf import conf
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.model import CompiledModel

logger = logging.getLogger(__name__)

# Longer than this nobody waits for somebody else's load: the original answers.
WAIT_S = 10.0
RETRY_AFTER_S = 30.0

hits_total = Counter("modelyard_engine_hits", "Requests that found their compiled graph open.")
loads_total = Counter("modelyard_engine_loads", "Compiled graphs opened.", ("outcome",))
evictions_total = Counter("modelyard_engine_evictions", "Compiled graphs closed to save memory.")
load_seconds_total = Counter(
    "modelyard_engine_load_seconds", "Time spent opening compiled graphs, in seconds."
)
# The same graph under another signature is fed in another way.
_Key: TypeAlias = tuple[str, Signature]


@dataclass(slots=True)
class _Entry:
    """A graph that is open, or being opened, or was not to be opened until ``retry_at``."""

    engine: CompiledModel | None = None
    size_bytes: int = 0
    retry_at: float | None = None
    is_done: threading.Event = field(default_factory=threading.Event)


class Engines:
    """Opened graphs, least recently used first. Thread-safe; one load however many wait.

    ``budget_bytes`` bounds what the graphs are reckoned to take. The one that was opened last
    stays; one that is thrown out lives on while somebody scores with it.
    """

    def __init__(
        self,
        budget_bytes: Callable[[], int],
        read: Callable[[str], bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget_bytes = budget_bytes
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[_Key, _Entry] = OrderedDict()

    def get(self, sha256: str, signature: Signature) -> CompiledModel | None:
        """The graph under this digest, opened; None when it does not open, for now."""
        key = (sha256, signature)
        with self._lock:
            found = self._held.get(key)
            if found is None or self._is_stale(found):
                found = self._held[key] = _Entry()
                is_mine = True
            else:
                self._held.move_to_end(key)
                is_mine = False
        if found.engine is not None:
            meter.count(hits_total)
        elif is_mine:
            self._load(key, found)
        elif found.retry_at is None:
            found.is_done.wait(WAIT_S)
        return found.engine

    def held_bytes(self) -> int:
        """What the opened graphs are reckoned to take together."""
        with self._lock:
            return sum(entry.size_bytes for entry in self._held.values())

    def clear(self) -> None:
        """Forget all graphs."""
        with self._lock:
            self._held.clear()

    def _is_stale(self, entry: _Entry) -> bool:
        return entry.retry_at is not None and self._clock() >= entry.retry_at

    def _load(self, key: _Key, entry: _Entry) -> None:
        began_s, wait_s = time.perf_counter(), RETRY_AFTER_S
        try:
            entry.engine, wait_s = self._opened(*key)
            entry.size_bytes = entry.engine.memory_bytes if entry.engine else 0
        finally:  # whoever waits for this load must hear of its end
            if entry.engine is None:
                entry.retry_at = self._clock() + wait_s
            entry.is_done.set()
        load_seconds_total.inc(time.perf_counter() - began_s)
        loads_total.labels("opened" if entry.engine else "failed").inc()
        with self._lock:
            self._make_room(key)

    def _opened(self, sha256: str, signature: Signature) -> tuple[CompiledModel | None, float]:
        """The graph; None with the seconds until another try."""
        try:
            content = self._read(sha256)
            engine = CompiledModel.open(content, signature, most_bytes=self._budget_bytes())
        except (GraphRefused, storage.BlobMissing, storage.BlobDamaged, OSError) as error:
            logger.error("The compiled graph %s is not used: %s", sha256, error)
            if isinstance(error, GraphRefused) and error.reason == "graph-too-large":
                return None, math.inf
        except Exception:  # such as no memory
            logger.exception("The compiled graph %s is not used.", sha256)
        else:
            return engine, 0.0
        return None, RETRY_AFTER_S

    def _make_room(self, newest: _Key) -> None:
        """Throw out what was not used for longest. The caller holds the lock."""
        over = sum(entry.size_bytes for entry in self._held.values()) - self._budget_bytes()
        for key, entry in list(self._held.items()):
            if over <= 0:
                return
            if key != newest and entry.size_bytes:
                del self._held[key]
                evictions_total.inc()
                over -= entry.size_bytes


def engine_of(target: Target) -> CompiledModel | None:
    """The opened graph of a target that has one; None: the original serves, for now."""
    return engines.get(target.compiled_sha256, target.signature)


def _read_verified(sha256: str) -> bytes:
    with storage.open_verified(sha256) as file:
        return file.read()


engines = Engines(lambda: conf.engine_memory_bytes, _read_verified)
