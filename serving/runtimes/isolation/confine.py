"""What a child gives up before it reads a single byte of the model.

Layers that hold now: no new privileges, death with the parent, not dumpable, resource limits.
Network namespace, Landlock and the system-call filter are added here, in ``confine``, after
these; the order matters, because each layer may take away what an earlier one needs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

# Enough for the connections of every web and worker process, few enough to end a leak.
MAX_OPEN_FILES = 512

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """``memory_bytes`` is what the model may have on top of what the warmed process maps."""

    memory_bytes: int


def confine(limits: Limits, parent_pid: int) -> None:
    """Lock this process. Raises OSError when a layer cannot be had; exits when orphaned."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)  # the parent died before the line above: nobody would end this process
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_AS, mapped_bytes() + limits.memory_bytes)


def prctl(option: int, value: int) -> None:
    """One prctl call. Raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}, {value}): {os.strerror(code)}")


def mapped_bytes() -> int:
    """The address space of this process now. ``statm`` can be read while not dumpable."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(which, (most, most))
