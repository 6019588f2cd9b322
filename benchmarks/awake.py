"""Keeps the processors of a virtual machine from falling asleep while something is measured.

A virtual processor that idles is given to other guests, and a request that wakes it waits for the
machine below: here a server at two connections then answered 800 requests a second and, kept
awake, 3,300, with half of all processor time told as stolen. So each processor turns a loop of the
idle class, which gives way to everything that has work; whoever is measured beside us has the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOP = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
parent = os.getppid()
while os.getppid() == parent:
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
"""


@contextmanager
def kept_awake() -> Iterator[None]:
    """A loop on each processor that this process may use, where the system knows an idle class."""
    if not hasattr(os, "SCHED_IDLE"):
        yield
        return
    loops = [
        subprocess.Popen([sys.executable, "-c", _LOOP, str(processor)])
        for processor in sorted(os.sched_getaffinity(0))
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Stolen:
    """The part of all processor time, since this was made, that went to other guests."""

    def __init__(self) -> None:
        self._before = _processor_times()

    def part(self) -> float | None:
        """Between 0 and 1; None where the system does not tell."""
        spent = [now - before for now, before in zip(_processor_times(), self._before, strict=True)]
        return round(spent[7] / sum(spent), 3) if sum(spent) else None


def _processor_times() -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal of proc(5), in ticks."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return [0] * 8
    return [int(ticks) for ticks in line.split()[1:9]]
