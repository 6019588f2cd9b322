"""Compiled graphs held in a process: loaded once, thrown out by age, never tried in a loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from registry.metering import meter
from registry.signature.types import Column, Signature
from registry.storage import BlobDamaged, BlobMissing
from serving.actions import engines as engines_module
from serving.actions.engines import RETRY_AFTER_S, Engines
from serving.runtimes.compiled.errors import GraphRefused

SIGNATURE = Signature((Column("x", "float64"),))
OTHER = Signature((Column("x", "float32"),))
GRAPH = b"g" * 1000
SIZE = 350_000


class Opened:
    """Stands for a session; what it was opened from is all that it knows."""

    def __init__(self, content: bytes, signature: Signature, *, most_bytes: int) -> None:
        if most_bytes < SIZE:
            raise GraphRefused("graph-too-large", "no room")
        self.content, self.signature, self.memory_bytes = content, signature, SIZE


class Store:
    """Blobs that count how often they are read, and may wait or fail."""

    def __init__(self) -> None:
        self.read_count: dict[str, int] = {}
        self.failing: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()

    def read(self, sha256: str) -> bytes:
        self.read_count[sha256] = self.read_count.get(sha256, 0) + 1
        self.began.set()
        assert self.gate.wait(10)
        if self.failing:
            raise self.failing
        return GRAPH


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    class Model:
        open = Opened

    monkeypatch.setattr(engines_module, "CompiledModel", Model)
    return Store()


def engines_of(store: Store, budget: int = 1 << 30, clock: Callable[[], float] = float) -> Engines:
    return Engines(lambda: budget, store.read, clock=clock)


def counted(counter: Any) -> float:
    meter.flush()
    value: float = counter._value.get()
    return value


def test_a_graph_is_read_once_and_found_again(store: Store) -> None:
    engines = engines_of(store)
    hits = counted(engines_module.hits_total)

    first = engines.get("a", SIGNATURE)

    assert engines.get("a", SIGNATURE) is first
    assert store.read_count == {"a": 1}
    assert engines.held_bytes() == SIZE
    assert counted(engines_module.hits_total) == hits + 1


def test_equal_signatures_share_a_graph_and_others_do_not(store: Store) -> None:
    engines = engines_of(store)

    first = engines.get("a", SIGNATURE)

    assert engines.get("a", Signature.from_json(SIGNATURE.to_json())) is first
    assert engines.get("a", OTHER) is not first


def test_one_load_serves_all_who_wait(store: Store) -> None:
    engines = engines_of(store)
    store.gate.clear()
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(engines.get("a", SIGNATURE)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    assert store.began.wait(10)
    store.gate.set()
    for thread in threads:
        thread.join(10)

    assert store.read_count == {"a": 1}
    assert len(found) == 16
    assert len(set(map(id, found))) == 1


def test_a_load_does_not_hold_up_other_graphs(store: Store) -> None:
    engines = engines_of(store)
    ready = engines.get("a", SIGNATURE)
    store.gate.clear()
    store.began.clear()
    loading = threading.Thread(target=engines.get, args=("b", SIGNATURE))
    loading.start()
    assert store.began.wait(10)

    assert engines.get("a", SIGNATURE) is ready

    store.gate.set()
    loading.join(10)


def test_the_longest_unused_goes_first_and_comes_back_when_asked_for(store: Store) -> None:
    engines = engines_of(store, budget=2 * SIZE)
    evictions = counted(engines_module.evictions_total)
    for sha256 in ("a", "b", "a", "c"):
        assert engines.get(sha256, SIGNATURE) is not None

    assert engines.held_bytes() == 2 * SIZE
    assert counted(engines_module.evictions_total) == evictions + 1
    engines.get("a", SIGNATURE)
    assert store.read_count == {"a": 1, "b": 1, "c": 1}
    engines.get("b", SIGNATURE)
    assert store.read_count["b"] == 2


def test_a_graph_that_alone_is_beyond_the_budget_is_refused_once_and_for_all(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    engines = engines_of(store, budget=SIZE - 1, clock=lambda: now[0])

    for now[0] in (0.0, RETRY_AFTER_S, 1e9):
        assert engines.get("a", SIGNATURE) is None

    assert engines.held_bytes() == 0
    assert store.read_count == {"a": 1}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "failing",
    [
        BlobMissing("a"),
        BlobDamaged("a"),
        GraphRefused("graph-load", "no"),
        MemoryError(),
        OSError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_does_not_open_is_logged_once_and_tried_again_later(
    store: Store, failing: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    engines = engines_of(store, clock=lambda: now[0])
    store.failing = failing

    with caplog.at_level(logging.ERROR):
        assert [engines.get("a", SIGNATURE) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert store.read_count == {"a": 1}

    store.failing = None
    now[0] = RETRY_AFTER_S
    assert engines.get("a", SIGNATURE) is not None
    assert store.read_count == {"a": 2}


def test_loads_are_counted_by_their_outcome_and_timed(store: Store) -> None:
    opened, failed = (engines_module.loads_total.labels(o) for o in ("opened", "failed"))
    before = counted(opened), counted(failed)
    seconds = counted(engines_module.load_seconds_total)

    engines_of(store).get("a", SIGNATURE)
    store.failing = BlobMissing("b")
    engines_of(store).get("b", SIGNATURE)

    assert (counted(opened), counted(failed)) == (before[0] + 1, before[1] + 1)
    assert counted(engines_module.load_seconds_total) > seconds
