"""What the parent sees of its children from outside: processor time and memory, from ``/proc``.

A child writes itself what it is doing (``board``), and a hostile one may lie. What the kernel
counts it cannot change.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

# A process that says that it is idle, for so long, and uses more than this part of a core, lies.
HIDDEN_WORK_S = 3.0
HIDDEN_WORK_PART = 0.5
# Of the machine's memory, for all pooled models together, unless it is set.
BUDGET_PART = 0.5

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
# cgroup v2, then v1: the limit of the group that we see as the top, as in a container.
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(slots=True)
class Sight:
    """How a process looked: what it said, since when it has said so, and what it used by then.

    ``cpu_s`` and ``memory_bytes`` are of the last look, ``cpu_s_at_first`` is of ``since``.
    """

    said: tuple[tuple[int, ...], int] = ((), 0)
    since: float = 0.0
    cpu_s_at_first: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0

    def look(self, pid: int, said: tuple[tuple[int, ...], int], now: float) -> None:
        """Look again. ``said``: the connections being served and when the process last changed.

        A process that has just ended keeps its last figures. Memory, which takes a millisecond to
        count, is looked at where the process has run since: of hundreds, most have not.
        """
        try:
            used_s = cpu_s(pid)
            if used_s != self.cpu_s or not self.memory_bytes:
                self.memory_bytes = own_bytes(pid)
            self.cpu_s = used_s
        except OSError:
            return
        if said != self.said or said[0]:
            self.said, self.since, self.cpu_s_at_first = said, now, self.cpu_s

    def hides_work(self, now: float) -> bool:
        """Whether it computes while it says that it has nothing to do."""
        idle_s = now - self.since
        used_s = self.cpu_s - self.cpu_s_at_first
        return idle_s >= HIDDEN_WORK_S and used_s > HIDDEN_WORK_PART * idle_s


def cpu_s(pid: int) -> float:
    """Processor time of a process until now. Raises OSError when it has ended."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        # The name comes in brackets and may hold anything, so the fields count from its end.
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S


def own_bytes(pid: int) -> int:
    """Memory that would be free if this process ended. Raises OSError when it has ended.

    Exact where we may read it (root may). Otherwise what it has beyond this process, of which it
    is a copy: pages that both had and it has changed since are not seen then.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
            lines = [line.split() for line in rollup if line.startswith((b"Private_", b"Swap:"))]
        return sum(int(line[1]) for line in lines) * 1024
    except PermissionError:
        return max(0, _anonymous_bytes(str(pid)) - _anonymous_bytes("self"))


def _anonymous_bytes(pid: str) -> int:
    with open(f"/proc/{pid}/statm", "rb") as statm:
        _, resident, shared, *_ = statm.read().split()
    return (int(resident) - int(shared)) * resource.getpagesize()


def machine_bytes() -> int:
    """The memory of this machine, or of the container when that has less."""
    found = [os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()]
    for limit in _MEMORY_LIMITS:
        try:
            found.append(int(limit.read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(found)


def default_budget_bytes() -> int:
    """What all pooled models may take together when nobody has said it."""
    return int(machine_bytes() * BUDGET_PART)
