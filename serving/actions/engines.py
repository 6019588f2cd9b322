"""Compiled graphs in this process: opened on first use, kept within a budget of memory.

A graph is never needed to answer: the original in the model host answers as it does, slower. So
whatever keeps a graph from being opened is logged once, the original serves, and the next try is
made after a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import Counter

from registry import storage
from registry.signature.types import Signature
from serving.actions.targets import Target
from serving.conf import conf
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.model import CompiledModel

logger = logging.getLogger(__name__)

# Measured: an opened session takes 8.3 times the bytes of a graph of trees, and 0.1 MiB for itself.
BASE_BYTES, FACTOR = 256 * 1024, 9
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a load came to; ``engine`` None: not before ``retry_at`` of the clock."""

    engine: CompiledModel | None
    size_bytes: int = 0
    retry_at: float = 0.0


class Engines:
    """Opened graphs, least recently used first. Thread-safe; one load however many wait.

    ``budget_bytes`` bounds what the graphs are reckoned to take. The one that was asked for last
    stays whatever its size; one that is thrown out lives on while somebody scores with it.
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
        self._held: OrderedDict[_Key, Future[_Opened]] = OrderedDict()

    def get(self, sha256: str, signature: Signature) -> CompiledModel | None:
        """The graph under this digest, opened; None when it does not open, for now."""
        key = (sha256, signature)
        with self._lock:
            found = self._held.get(key)
            if found is not None and not self._is_stale(found):
                self._held.move_to_end(key)
                mine = None
            else:
                mine = found = self._held[key] = Future()
        if mine is not None:
            self._load(key, mine)
        elif found.done():
            hits_total.inc()
        try:
            return found.result(WAIT_S).engine
        except TimeoutError:
            return None

    def held_bytes(self) -> int:
        """What the opened graphs are reckoned to take together."""
        with self._lock:
            return self._sum()

    def clear(self) -> None:
        """Forget all graphs."""
        with self._lock:
            self._held.clear()

    def _is_stale(self, found: Future[_Opened]) -> bool:
        if not found.done():
            return False
        opened = found.result()
        return opened.engine is None and self._clock() >= opened.retry_at

    def _load(self, key: _Key, mine: Future[_Opened]) -> None:
        began_s = time.perf_counter()
        opened = self._opened(*key)
        mine.set_result(opened)
        load_seconds_total.inc(time.perf_counter() - began_s)
        loads_total.labels("opened" if opened.engine else "failed").inc()
        with self._lock:
            self._make_room(key)

    def _opened(self, sha256: str, signature: Signature) -> _Opened:
        try:
            content = self._read(sha256)
            engine = CompiledModel.open(content, signature)
        except (GraphRefused, storage.BlobMissing, storage.BlobDamaged, OSError) as error:
            logger.error("The compiled graph %s is not used: %s", sha256, error)
        except Exception:  # whoever waits for this load must hear of its end
            logger.exception("The compiled graph %s is not used.", sha256)
        else:
            return _Opened(engine, reckoned_bytes(len(content)))
        return _Opened(None, retry_at=self._clock() + RETRY_AFTER_S)

    def _make_room(self, newest: _Key) -> None:
        """Throw out what was not used for longest. The caller holds the lock."""
        over = self._sum() - self._budget_bytes()
        for key in list(self._held):
            if over <= 0:
                return
            size = self._size(self._held[key])
            if key != newest and size:
                del self._held[key]
                evictions_total.inc()
                over -= size

    def _sum(self) -> int:
        return sum(map(self._size, self._held.values()))

    @staticmethod
    def _size(found: Future[_Opened]) -> int:
        return found.result().size_bytes if found.done() else 0


def reckoned_bytes(graph_bytes: int) -> int:
    """About what an opened graph takes in memory."""
    return BASE_BYTES + FACTOR * graph_bytes


def engine_of(target: Target) -> CompiledModel | None:
    """The opened graph of a target that has one; None: the original serves, for now."""
    return engines.get(target.compiled_sha256, target.signature)


def _read_verified(sha256: str) -> bytes:
    with storage.open_verified(sha256) as file:
        return file.read()


engines = Engines(lambda: conf.engine_memory_bytes, _read_verified)
