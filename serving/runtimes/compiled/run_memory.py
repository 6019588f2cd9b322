"""Plain: how much memory one run takes at its peak, measured in the process that runs it.

Nobody else's word is taken for it: the process that converted the graph has loaded an untrusted
model.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# What may be mapped beside the run without being used: arenas of threads, room of the allocator.
_SLACK_BYTES = 512 << 20


def peak_bytes_of(run: Callable[[], object], *, most_bytes: int) -> int:
    """By how many bytes the memory of this process grew at most while ``run`` ran.

    Whatever ``run`` raises comes through. Well over ``most_bytes`` it finds no more memory, so that
    the process is not ended for it: for this time that holds for all threads.
    """
    _give_back()
    before = _status_bytes("VmRSS")
    is_exact = _forget_peak()
    peak_before = before if is_exact else _status_bytes("VmHWM")
    with _mapping_at_most(most_bytes + _SLACK_BYTES):
        run()
    return max(_status_bytes("VmHWM") - peak_before, 0)


@contextmanager
def _mapping_at_most(more_bytes: int) -> Iterator[None]:
    """Let this process map so much more, if it is not held to less already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _status_bytes("VmSize") + more_bytes
    lowest = min(limit for limit in (soft, hard, wanted) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _give_back() -> None:
    """Memory that the allocator keeps would hide what the run takes out of it."""
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> bool:
    """Let the peak begin at what is used now; False where the kernel does not let us (proc(5))."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _status_bytes(name: str) -> int:
    """A size out of the status of this process, in which they are KiB."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
