"""Real model hosts for tests: processes on a socket of their own, ended with the test."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from serving.runtimes.base import LoadedModel
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import HostClient, ModelSpec
from serving.runtimes.isolation.start import command_line, environment_for

MISBEHAVING = {"misbehaving": "tests.serving.runtimes.misbehaving"}
MEMORY = 1 << 30


class RunningHost:
    """A host's process and a client of it."""

    def __init__(self, socket: Path, **options: Any) -> None:
        self.socket = socket
        runtimes = options.pop("runtimes", MISBEHAVING)
        command = command_line(socket, memory_bytes=MEMORY, extra_runtimes=runtimes, **options)
        environment = environment_for({**os.environ, "SECRET_KEY": "s3cret"})
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self.client = HostClient(socket)
        until(lambda: self.process.poll() is not None or self.client.alive())

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit code."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(20)

    def pids(self) -> list[int]:
        return [child["pid"] for child in self.client.status()["children"]]


@contextmanager
def running(socket: Path, **options: Any) -> Iterator[RunningHost]:
    host = RunningHost(socket, **options)
    try:
        yield host
    finally:
        if host.process.poll() is None:
            host.end()
        host.client.close()
        assert host.process.stderr is not None
        host.process.stderr.close()


@contextmanager
def drained(host: RunningHost) -> Iterator[deque[str]]:
    """Reads what the host writes, the last lines of it: hundreds of children fill the pipe."""
    lines: deque[str] = deque(maxlen=200)
    reader = threading.Thread(target=lines.extend, args=(host.process.stderr,), daemon=True)
    reader.start()
    yield lines
    if host.process.poll() is None:
        host.end()
    reader.join(20)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def artifact(content: bytes = b"{}", key: str = "one") -> tuple[ModelSpec, Callable[[], BinaryIO]]:
    """A spec for the misbehaving runtime, and how its bytes are opened."""
    spec = ModelSpec(key, "skops", "misbehaving", hashlib.sha256(content).hexdigest())
    return spec, lambda: io.BytesIO(content)


def rows(*values: float) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"x": pa.array(values, type=pa.float64())})


def golden_of(model: LoadedModel, *values: float) -> Golden:
    """Golden rows with what the model answers to them here."""
    return Golden(rows(*values), model.score(rows(*values), (), {}))
