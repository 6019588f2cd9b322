"""Which processes belong to a state folder: each names it in its environment or its arguments."""

from __future__ import annotations

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
