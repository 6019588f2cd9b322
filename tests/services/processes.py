"""Processes and ports: which belong to a state folder, who lives, and waiting for a condition.

A process belongs to a state folder that it names in its environment or its arguments.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path


def living_in(home: Path) -> dict[int, str]:
    """pid -> command line of every living process that was started on the state folder."""
    marker = f"MODELYARD_HOME={home}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            variables = (entry / "environ").read_bytes().split(b"\0")
            # The model host has emptied its environment; its socket lies in the folder.
            if marker in variables or f"{home}/" in command:
                found[int(entry.name)] = command
        except OSError:
            continue
    return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that have not ended."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in told.split()]


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(
    is_so: Callable[[], bool], timeout_s: float, what: str, story: Callable[[], str] = str
) -> None:
    """Look until it is so; AssertionError with ``what`` and the story so far after the time.

    Times are for a machine that does much else; a test that is right takes a fraction of them.
    """
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}\n{story()}"
        time.sleep(0.02)
