"""Load from the outside: wrk, with bodies that change from request to request."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16
MARGIN_S = 30


class NoLoad(RuntimeError):
    """wrk is not there, or what it measured does not count."""


@dataclass(frozen=True)
class Body:
    """A request's body, with one header of its own where it needs one."""

    content: bytes
    header: str = "-"


@dataclass(frozen=True)
class Aim:
    """Where the requests go: ``headers`` are those of all of them."""

    url: str
    bodies: Sequence[Body]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """What came of a load: answers a second, and percentiles of their times in ms.

    ``refused`` counts the answers that were no success.
    """

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    refused: int


def load(aim: Aim, *, seconds: float, connections: int = CONNECTIONS) -> Loaded:
    """Load the aim for so long. Raises NoLoad when an answer is no success or breaks off."""
    with loading(aim, seconds=seconds, connections=connections) as process:
        return told_by(process)


@contextmanager
def loading(
    aim: Aim, *, seconds: float, connections: int = CONNECTIONS
) -> Iterator[subprocess.Popen[str]]:
    """A load that goes on beside something else, and ends by itself."""
    program = shutil.which("wrk")
    if program is None:
        raise NoLoad("The load needs wrk: apt install wrk")
    with tempfile.NamedTemporaryFile(suffix=".bodies") as file:
        for body in aim.bodies:
            file.write(f"{len(body.content)} {body.header}\n".encode() + body.content)
        file.flush()
        headers = [
            word for name, value in aim.headers.items() for word in ("-H", f"{name}: {value}")
        ]
        process = subprocess.Popen(
            [
                *(program, "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{max(1, round(seconds))}s", "--timeout", "20s", "--latency"),
                *("--script", str(SCRIPT), *headers, aim.url),
            ],
            env={**os.environ, "BODIES": file.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def told_by(process: subprocess.Popen[str], *, may_refuse: bool = False) -> Loaded:
    """What a load found, once it has ended."""
    output, _ = process.communicate(timeout=600)
    line = output.rstrip().rpartition("\n")[2]
    if process.returncode or not line.startswith("{"):
        raise NoLoad(f"wrk ended with {process.returncode}: {output[-500:]}")
    found = json.loads(line)
    if found["broken"] or (found["refused"] and not may_refuse) or not found["requests"]:
        raise NoLoad(f"some of the answers do not count: {found}")
    return Loaded(
        per_second=found["requests"] / found["seconds"],
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        refused=found["refused"],
    )
