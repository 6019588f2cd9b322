"""What a hostile model sends to its callers and to the parent costs it its process, nobody else."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from registry.errors import ModelFailed
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import HostBusy, HostError, ModelDied, ModelSuspended
from tests.serving.runtimes.hostile import LAST_WORDS, SHOUTING, WORDS
from tests.serving.runtimes.hosts import RunningHost, running, until

HOSTILE = {"hostile": "tests.serving.runtimes.hostile"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    socket = tmp_path_factory.mktemp("words") / "h.sock"
    with running(socket, is_warmed=False, runtimes=HOSTILE) as started:
        yield started


def order(host: RunningHost, act: str, on: str = "", *, deadline_s: float = 5.0) -> str:
    content = f"{act} {on}".encode()
    digest = hashlib.sha256(content).hexdigest()
    spec = ModelSpec(f"{act} {on}", "skops", "hostile", digest)
    batch = pa.RecordBatch.from_pydict({"act": [act], "on": [on]})
    answer = host.client.score(spec, lambda: io.BytesIO(content), batch, (), {}, deadline_s)
    return str(answer.blocks[0].arrays[0][0])


def pids(host: RunningHost, key: str) -> list[int]:
    return [c["pid"] for c in host.client.status()["children"] if c["key"] == key]


@pytest.mark.parametrize("words", [words for words in WORDS if words != "again"])
def test_a_frame_that_is_none_is_a_failed_model_and_the_end_of_its_process(
    host: RunningHost, words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(HostError, match="cannot be read"):
        order(host, "say", words)
    assert time.monotonic() - began < 4
    until(lambda: not pids(host, f"say {words}"), 5)
    assert order(host, "fork").startswith("denied")


def test_a_model_that_shouts_while_it_is_loaded_is_ended(host: RunningHost) -> None:
    digest = hashlib.sha256(SHOUTING).hexdigest()
    spec = ModelSpec("shouting", "skops", "hostile", digest)
    batch = pa.RecordBatch.from_pydict({"act": ["fork"], "on": [""]})
    with pytest.raises(HostError, match="cannot be read"):
        host.client.score(spec, lambda: io.BytesIO(SHOUTING), batch, (), {}, 5.0)
    until(lambda: not pids(host, "shouting"), 5)
    assert order(host, "fork").startswith("denied")


@pytest.mark.parametrize("act", ["drip", "lie"])
def test_a_process_that_holds_its_caller_up_is_ended_soon_after_the_deadline(
    host: RunningHost, act: str
) -> None:
    began = time.monotonic()
    with pytest.raises(ModelDied) as caught:
        order(host, act, deadline_s=0.5)
    assert caught.value.evidence["cause"] == "deadline"
    assert time.monotonic() - began < 8
    assert order(host, "fork").startswith("denied")


def test_a_process_that_claims_endless_work_does_not_keep_its_place(host: RunningHost) -> None:
    with pytest.raises(HostBusy):
        order(host, "claim", deadline_s=0.5)
    until(lambda: not pids(host, "claim "), 15)


def test_descriptors_that_come_with_an_answer_are_not_taken(host: RunningHost) -> None:
    order(host, "fork")
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(HostError):
        order(host, "pass descriptors")
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.mark.parametrize("words", LAST_WORDS)
def test_what_is_told_to_the_parent_harms_neither_it_nor_the_caller(
    host: RunningHost, words: str
) -> None:
    with pytest.raises(ModelFailed) as caught:
        order(host, "last words", words)
    if isinstance(caught.value, ModelSuspended):
        assert 0 < int(caught.value.headers["Retry-After"]) <= 120
    assert host.client.alive()
    assert order(host, "fork").startswith("denied")


def test_garbage_again_and_again_suspends_the_model(host: RunningHost) -> None:
    for _ in range(5):
        with pytest.raises(HostError, match="cannot be read"):
            order(host, "say", "again")
        until(lambda: not pids(host, "say again"), 5)
    with pytest.raises(ModelSuspended):
        order(host, "say", "again")


def test_an_inspection_that_tells_nonsense_of_itself_is_a_failed_model(host: RunningHost) -> None:
    content = b"inspected"
    spec = ModelSpec("inspected", "skops", "hostile", hashlib.sha256(content).hexdigest())
    batch = pa.RecordBatch.from_pydict({"act": ["say"], "on": ["no object"]})
    with host.client.inspect(lambda: io.BytesIO(content), spec) as child:
        child.load()
        with pytest.raises(HostError, match="cannot be read"):
            child.score(batch, (), {})
    until(lambda: host.client.status()["inspections"] == 0, 5)
