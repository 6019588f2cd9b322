"""A hostile model tries every way out: denied or contained at each level, as the level says."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from registry.errors import CheckRefused, ModelFailed
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import ModelDied, ModelNotLoaded, ModelOutOfMemory
from tests.serving.runtimes.hostile import PROBES
from tests.serving.runtimes.hosts import RunningHost, running

HOSTILE = {"hostile": "tests.serving.runtimes.hostile"}


class Surroundings:
    """What a hostile model could reach: a file, a folder, ports and sockets."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary"
        self.canary.write_bytes(b"still here")
        self.created = folder / "created"
        self.tcp, self.udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        self.unix, self.abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.tcp.bind(("127.0.0.1", 0))
        self.udp.bind(("127.0.0.1", 0))
        self.unix.bind(str(folder / "s"))
        self.abstract.bind(f"\0{folder}")
        for listener in (self.tcp, self.unix, self.abstract):
            listener.listen(8)
            listener.setblocking(False)
        self.udp.setblocking(False)
        self.targets = {
            "read": str(self.canary),
            "delete": str(self.canary),
            "look for": str(self.canary),
            "write": str(self.created),
            "list": str(folder),
            "tcp connect": str(self.tcp.getsockname()[1]),
            "udp": str(self.udp.getsockname()[1]),
            "unix socket": str(folder / "s"),
            "abstract socket": f"@{folder}",
        }

    def assert_untouched(self) -> None:
        assert self.canary.read_bytes() == b"still here"
        assert not self.created.exists()
        for listener in (self.tcp, self.unix, self.abstract):
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            self.udp.recv(1)

    def close(self) -> None:
        for one in (self.tcp, self.udp, self.unix, self.abstract):
            one.close()


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    found = Surroundings(tmp_path_factory.mktemp("a"))
    yield found
    found.close()


def host_without(folder: Path, *layers: str) -> Any:
    return running(
        folder / "h.sock", is_warmed=False, without=layers, runtimes=HOSTILE, load_timeout_s=5.0
    )


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with host_without(tmp_path_factory.mktemp("full")) as host:
        yield host


def order(host: RunningHost, act: str, on: str = "", *, deadline_s: float = 5.0) -> str:
    """What the hostile model says of one act, each in a process of its own."""
    content = f"{act} {on}".encode()
    digest = hashlib.sha256(content).hexdigest()
    spec = ModelSpec(f"{act} {on}", "skops", "hostile", digest)
    batch = pa.RecordBatch.from_pydict({"act": [act], "on": [on]})
    answer = host.client.score(spec, lambda: io.BytesIO(content), batch, (), {}, deadline_s)
    return str(answer.blocks[0].arrays[0][0])


def outcome(host: RunningHost, around: Surroundings, probe: str) -> str:
    """``done``, ``denied``, or how the process ended."""
    deadline_s = 0.5 if probe == "cpu" else 5.0
    try:
        told = order(host, probe, around.targets.get(probe, ""), deadline_s=deadline_s)
    except ModelDied as error:
        return str(error.evidence["cause"])
    except ModelOutOfMemory:
        return "denied"
    return told.split()[0]


ENDED = {
    "exec": "SIGSYS",
    "ptrace": "SIGSYS",
    "bpf": "SIGSYS",
    "io_uring": "SIGSYS",
    "userns": "SIGSYS",
    "mount": "SIGSYS",
    "keyring": "SIGSYS",
    "userfaultfd": "SIGSYS",
    "pidfd": "SIGSYS",
    "memory of parent": "SIGSYS",
    "cpu": "deadline",
    "wild pointer": "SIGSEGV",
}


@pytest.mark.parametrize("probe", PROBES)
def test_a_locked_model_gets_nowhere(locked: RunningHost, around: Surroundings, probe: str) -> None:
    if locked.client.status()["confinement"]["level"] == "rlimits-only":
        pytest.skip("this machine offers no Landlock or no seccomp")
    assert outcome(locked, around, probe) == ENDED.get(probe, "denied")
    around.assert_untouched()
    assert locked.client.alive()


# What is open to a model when layers are missing: the level must not claim more.
LOWER = [
    (
        ("netns",),
        "no-netns",
        {"tcp connect": "denied", "udp": "denied", "read": "denied", "exec": "SIGSYS"},
    ),
    (
        ("landlock",),
        "rlimits-only",
        {"read": "denied", "tcp connect": "denied", "fork": "denied", "exec": "SIGSYS"},
    ),
    (
        ("seccomp",),
        "rlimits-only",
        {
            "read": "denied",
            "list": "denied",
            "tcp connect": "denied",
            "abstract socket": "denied",
            "exec": "denied",
            "look for": "done",
            "memfd": "done",
            "memory": "denied",
            "dumpable": "done",
        },
    ),
    (
        ("netns", "landlock", "seccomp"),
        "rlimits-only",
        {
            "read": "done",
            "list": "done",
            "tcp listen": "done",
            "kill parent": "done",
            "memory": "denied",
            "wild pointer": "SIGSEGV",
        },
    ),
]


@pytest.mark.parametrize(
    ("without", "level", "expected"), LOWER, ids=["+".join(row[0]) for row in LOWER]
)
def test_a_lower_level_is_told_and_holds_what_it_says(
    tmp_path: Path,
    around: Surroundings,
    without: tuple[str, ...],
    level: str,
    expected: dict[str, str],
) -> None:
    with host_without(tmp_path, *without) as host:
        told = host.client.status()["confinement"]
        assert told["level"] == level
        for layer in without:
            assert told["layers"][layer] == "left off by --without"
        assert {probe: outcome(host, around, probe) for probe in expected} == expected


def test_on_this_machine_every_layer_holds_or_says_why(locked: RunningHost) -> None:
    told = locked.client.status()["confinement"]
    assert set(told["layers"]) >= {"netns", "landlock", "seccomp", "limits"}
    for why in told["layers"].values():
        assert why is True or len(why) > 10
    assert (told["level"] == "full") == all(why is True for why in told["layers"].values())


@pytest.mark.parametrize("missing", ["landlock", "seccomp"])
@pytest.mark.parametrize(
    ("format", "is_opened"), [("pickle", False), ("joblib", False), ("skops", True), ("onnx", True)]
)
def test_formats_that_execute_code_need_landlock_and_seccomp(
    unlocked: dict[str, RunningHost], missing: str, format: str, is_opened: bool
) -> None:
    content = b"\x80\x02N."
    spec = ModelSpec(format, format, "hostile", hashlib.sha256(content).hexdigest())
    with unlocked[missing].client.inspect(lambda: io.BytesIO(content), spec) as child:
        if is_opened:
            assert child.load().estimator == "tests.Hostile"
            return
        with pytest.raises(CheckRefused) as caught:
            child.load()
    assert caught.value.reason == "host-not-confined"
    assert f"{missing}: left off" in str(caught.value)
    assert "skops" in str(caught.value)


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningHost]]:
    with (
        host_without(tmp_path_factory.mktemp("l"), "landlock") as first,
        host_without(tmp_path_factory.mktemp("s"), "seccomp") as second,
    ):
        yield {"landlock": first, "seccomp": second}


def test_a_code_file_that_is_scored_below_the_level_is_a_model_that_does_not_load(
    unlocked: dict[str, RunningHost],
) -> None:
    content = b"\x80\x02N."
    spec = ModelSpec("scored", "pickle", "hostile", hashlib.sha256(content).hexdigest())
    batch = pa.RecordBatch.from_pydict({"act": ["thread"], "on": [""]})
    with pytest.raises(ModelNotLoaded) as caught:
        unlocked["seccomp"].client.score(spec, lambda: io.BytesIO(content), batch, (), {}, 10)
    assert caught.value.evidence["reason"] == "host-not-confined"


def test_without_the_network_alone_code_is_still_opened(tmp_path: Path) -> None:
    content = b"\x80\x02N."
    spec = ModelSpec("code", "pickle", "hostile", hashlib.sha256(content).hexdigest())
    with (
        host_without(tmp_path, "netns") as host,
        host.client.inspect(lambda: io.BytesIO(content), spec) as child,
    ):
        assert child.load().estimator == "tests.Hostile"


def test_a_child_holds_no_descriptor_but_its_own(locked: RunningHost) -> None:
    found = json.loads(order(locked, "descriptors"))
    # Standard streams, the parent's line, the artifact, the caller, and what waits for them.
    assert {0, 1, 2} < set(found)
    assert len(found) <= 8


def test_a_model_that_takes_memory_piece_by_piece_is_told_so(
    locked: RunningHost, around: Surroundings
) -> None:
    assert outcome(locked, around, "many pieces") == "denied"


@pytest.mark.parametrize("probe", ["cpu", "wild pointer", "exec"])
def test_others_answer_while_one_is_ended(
    locked: RunningHost, around: Surroundings, probe: str
) -> None:
    assert order(locked, "thread", "beside").startswith("denied")
    with pytest.raises(ModelFailed):
        order(locked, probe, "again", deadline_s=0.5)
    assert order(locked, "thread", "beside").startswith("denied")
