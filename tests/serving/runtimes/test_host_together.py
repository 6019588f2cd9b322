"""A host whose models answer what waits together: who dies in company, and who is told of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.client import HostClient
from serving.runtimes.isolation.connection import Clock
from serving.runtimes.isolation.errors import (
    HostBusy,
    HostUnavailable,
    ModelDied,
    ModelOutOfMemory,
    ModelRaised,
    ModelSuspended,
)
from tests.serving.runtimes import misbehaving as does
from tests.serving.runtimes.hosts import RunningHost, artifact, golden_of, rows, running, until


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    socket = tmp_path_factory.mktemp("together") / "host.sock"
    with running(socket, is_warmed=False, max_children=4) as started:
        yield started


def ask(client: HostClient, key: str, *values: float, deadline_s: float = 20.0) -> list[float]:
    spec, opener = artifact(key=key)
    golden = golden_of(does.Model(0.0), 1.0, 2.0, 3.0)
    answer = client.score(spec, opener, rows(*values), (), {}, deadline_s, lambda: golden)
    found: list[float] = answer.blocks[0].arrays[0].to_pylist()
    return found


def child(host: RunningHost, key: str) -> int:
    return next(int(c["pid"]) for c in host.client.status()["children"] if c["key"] == key)


def outcomes(
    host: RunningHost,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    *values: float,
    deadlines_s: Sequence[float] = (),
) -> list[Any]:
    """The answer to each value, or its error, when all of them wait at the same time.

    The model's process is stopped until every request is there.
    """
    client, sent = HostClient(host.socket), []
    for value in (1.0, 2.0):
        ask(client, key, value)
    spec, opener = artifact(key=key)
    joined = [client._join(spec, opener, None, Clock(20.0)) for _ in values]
    for connection in joined:
        client._kept.put((spec.key, spec.sha256), connection)
    real = protocol.send

    def counted(sock: Any, header: dict[str, Any], *rest: Any) -> None:
        real(sock, header, *rest)
        sent.extend([1] * (header.get("op") == "score"))

    pid = child(host, key)
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patched, ThreadPoolExecutor(len(values)) as pool:
        patched.setattr(protocol, "send", counted)
        waiting = [
            pool.submit(ask, client, key, value, deadline_s=deadline_s)
            for value, deadline_s in zip_longest(values, deadlines_s, fillvalue=20.0)
        ]
        until(lambda: len(sent) == len(values))
        os.kill(pid, signal.SIGCONT)
        found = [one.exception() or one.result() for one in waiting]
    client.close()
    return found


def test_what_waits_is_scored_together(host: RunningHost, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes(host, monkeypatch, "merry", *[does.TOGETHER] * 8)
    assert found == [[8.0]] * 8


def test_without_golden_rows_every_request_is_scored_alone(host: RunningHost) -> None:
    spec, opener = artifact(b'{"offset": 0}', key="unknown")

    def call(_: int) -> float:
        answer = host.client.score(spec, opener, rows(does.TOGETHER), (), {}, 20.0)
        return float(answer.blocks[0].arrays[0][0].as_py())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(call, range(40))) == {1.0}


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (does.RAISE, ModelRaised),
        (does.EXIT, ModelRaised),
        (does.MEMORY, ModelOutOfMemory),
    ],
)
def test_an_error_of_one_does_not_fail_the_others(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch, what: float, error: type[Exception]
) -> None:
    first, guilty, *others = outcomes(host, monkeypatch, f"error {what}", 1.0, what, 3.0, 4.0)
    assert isinstance(guilty, error)
    assert [first, *others] == [[1.0], [3.0], [4.0]]


def test_a_death_in_company_fails_who_caused_it_and_nobody_else(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are scored by the next process, which works on one request at a time."""
    first, guilty, *others = outcomes(host, monkeypatch, "died", 1.0, does.SEGFAULT, 3.0, 4.0, 5.0)
    assert isinstance(guilty, ModelDied)
    assert guilty.evidence["cause"] == "SIGSEGV"
    assert [first, *others] == [[1.0], [3.0], [4.0], [5.0]]
    assert outcomes(host, monkeypatch, "died", *[does.TOGETHER] * 4) == [[1.0]] * 4


def test_a_deadline_in_company_fails_who_has_no_time_left(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (1.0, does.LOOP, 3.0, 4.0)
    first, guilty, *others = outcomes(
        host, monkeypatch, "endless", *asked, deadlines_s=(20.0, 3.0, 20.0, 20.0)
    )
    assert isinstance(guilty, ModelDied)
    assert guilty.evidence["cause"] == "deadline"
    assert [first, *others] == [[1.0], [3.0], [4.0]]


def test_deaths_in_company_count_once_a_minute_at_most(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five deaths suspend a model: those of single requests, however many waited beside them."""
    found = outcomes(host, monkeypatch, "five", does.SEGFAULT, does.SEGFAULT, 3.0)
    assert [type(one) for one in found[:2]] == [ModelDied, ModelDied]
    assert found[2] == [3.0]
    for _ in range(3):
        with pytest.raises(ModelDied):
            ask(host.client, "five", does.SEGFAULT)
    with pytest.raises(ModelSuspended):
        ask(host.client, "five", 1.0)


def test_calls_beyond_the_bound_are_refused_at_once(host: RunningHost) -> None:
    few = HostClient(host.socket, max_calls=3, max_calls_of_one=2)
    ask(few, "slow", 1.0)
    ask(few, "other", 1.0)
    held, go = threading.Event(), threading.Event()

    def holding(key: str) -> list[float]:
        with few._places.one_for((key, "held")):
            held.set()
            assert go.wait(20)
        return []

    def refused(name: tuple[str, str]) -> str:
        with pytest.raises(HostBusy) as caught, few._places.one_for(name):
            pass
        assert caught.value.headers == {"Retry-After": "1"}
        assert caught.value.code == "overloaded"
        return str(caught.value)

    with ThreadPoolExecutor(3) as pool:
        waiting: list[Future[list[float]]] = []
        for key in ("slow", "slow", "other"):
            held.clear()
            waiting.append(pool.submit(holding, key))
            assert held.wait(20)
            if key == "slow" and len(waiting) == 2:
                assert "this model" in refused(("slow", "held"))
        assert "for models" in refused(("third", "held"))
        with pytest.raises(HostBusy):
            ask(few, "other", 2.0)
        go.set()
        assert [one.result() for one in waiting] == [[], [], []]
    assert ask(few, "slow", 3.0) == [3.0]
    few.close()


def test_a_failed_call_gives_its_place_back(tmp_path: Path) -> None:
    one = HostClient(tmp_path / "nobody.sock", max_calls=1, max_calls_of_one=1)
    for _ in range(3):
        with pytest.raises(HostUnavailable):
            ask(one, "any", 1.0)
