"""Which layers of confinement hold on this machine: found out by a process that tries to get out.

The return code of a call proves little: containers, kernels without a feature and emulators say
yes and do nothing. So a forked process puts the layers on one after another and attempts after
each what only that layer forbids. As a program (``python -m``) it prints the report as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import NoReturn

from serving.runtimes.isolation import confine, kernel, landlock, network
from serving.runtimes.isolation.confine import OPTIONAL_LAYERS, Confinement, Limits
from serving.runtimes.isolation.network import EmptyNetwork

TRIAL_S = 10.0
_LIMITS = Limits(memory_bytes=1 << 28, cpu_s=60)
_SIGNALS_FROM_ABI = 6
_PR_GET_DUMPABLE = 3

_REPORTED = ("capabilities", "privileges", "limits", *OPTIONAL_LAYERS)
_SILENT = "the trial process ended before it could tell"

Attempt = tuple[str, Callable[[], object]]


def find_confinement(without: Collection[str] = ()) -> Confinement:
    """Try every layer that is not left off, and say which hold."""
    found: dict[str, bool | str] = {}
    empty: EmptyNetwork | None = None
    if "netns" not in without:
        try:
            empty = network.prepare()
        except kernel.Unsupported as reason:
            found["netns"] = str(reason)
    found |= dict.fromkeys(without, "left off by --without")
    with _open_port() as port:
        found |= _tried(empty, without, port.getsockname()[1])
    held = Confinement({name: found.get(name, _SILENT) for name in _REPORTED}, empty)
    if held.holds("seccomp") and not _is_ended_by_execve(held):
        why = "put on, but another program could still be started"
        held = Confinement({**held.layers, "seccomp": why}, empty)
    return held


def _open_port() -> socket.socket:
    """A port of this machine, to be reached unless the network is an empty one."""
    listener = socket.socket()
    with contextlib.suppress(OSError):  # a machine without any network has none to be reached
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
    return listener


def _tried(
    empty: EmptyNetwork | None, without: Collection[str], port: int
) -> dict[str, bool | str]:
    """What the trial process tells, layer by layer; it may be ended in the middle."""
    ours, its = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _try(its, parent, empty, without, port)
    os.close(its)
    told = _read_all(ours, pid)
    os.close(ours)
    os.waitpid(pid, 0)
    return dict(json.loads(line) for line in told.splitlines())


def _read_all(fd: int, pid: int) -> bytes:
    """Everything until the process closes; it is ended when it takes too long."""
    told, until = b"", time.monotonic() + TRIAL_S
    while select.select([fd], [], [], max(until - time.monotonic(), 0))[0]:
        chunk = os.read(fd, 65536)
        if not chunk:
            return told
        told += chunk
    os.kill(pid, signal.SIGKILL)
    return told[: told.rfind(b"\n") + 1]


def _try(
    out: int, parent: int, empty: EmptyNetwork | None, without: Collection[str], port: int
) -> NoReturn:
    try:
        for name, put_on in confine.layers(_LIMITS, parent, empty):
            if name not in without:
                result = _result(put_on, partial(_ATTEMPTS[name], parent, port))
                os.write(out, json.dumps([name, result]).encode() + b"\n")
    finally:
        os._exit(0)


def _result(put_on: Callable[[], None], attempts: Callable[[], list[Attempt]]) -> bool | str:
    """True when the layer could be put on and everything that it forbids failed."""
    try:
        put_on()
    except (OSError, kernel.Unsupported) as error:
        return str(error)
    for what, attempt in attempts():
        try:
            attempt()
        except (OSError, ValueError, MemoryError):
            continue
        return f"put on, but {what} was still possible"
    return True


def _is_ended_by_execve(held: Confinement) -> bool:
    """A process under all layers starts another program: the filter has to end it."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            confine.confine(_LIMITS, parent, held)
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS


# --- what each layer has to forbid --------------------------------------------------------------


def _network_attempts(parent: int, port: int) -> list[Attempt]:
    del parent
    return [
        ("to connect to a port of this machine", lambda: _connect(port)),
        ("to see a network device", _see_devices),
    ]


def _connect(port: int) -> None:
    with socket.socket() as sock:
        sock.settimeout(1.0)
        sock.connect(("127.0.0.1", port))


def _see_devices() -> None:
    if all(name == "lo" for _, name in socket.if_nameindex()):
        raise OSError("only the loop of an empty network is there")


def _capability_attempts(parent: int, port: int) -> list[Attempt]:
    del parent, port
    return [("to change the root", lambda: os.chroot("/"))]


def _privilege_attempts(parent: int, port: int) -> list[Attempt]:
    del parent, port
    return [("to be read by other processes", _is_dumpable)]


def _is_dumpable() -> None:
    """What cannot be attempted alone is asked: whether others may trace this process."""
    if ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0:
        raise OSError("not dumpable")


def _limit_attempts(parent: int, port: int) -> list[Attempt]:
    del parent, port
    return [
        ("to take more memory", lambda: mmap.mmap(-1, 4 * _LIMITS.memory_bytes)),
        ("to raise a limit", lambda: resource.setrlimit(resource.RLIMIT_CPU, (120, 120))),
    ]


def _landlock_attempts(parent: int, port: int) -> list[Attempt]:
    del port
    attempts: list[Attempt] = [
        ("to list a folder", lambda: os.listdir("/")),
        ("to read a file", lambda: os.open("/proc/self/status", os.O_RDONLY)),
    ]
    if landlock.abi() >= _SIGNALS_FROM_ABI:
        attempts.append(("to signal another process", lambda: os.kill(parent, 0)))
    return attempts


def _seccomp_attempts(parent: int, port: int) -> list[Attempt]:
    del port
    return [
        ("to look for a file", lambda: os.stat("/")),
        ("to make a socket", socket.socket),
        ("to make a process", _fork),
        ("to signal another process", lambda: os.kill(parent, 0)),
        ("to make a file in memory", lambda: os.memfd_create("trial")),
        ("to run bytes of one's own", _executable_page),
    ]


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _executable_page() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC)


_ATTEMPTS: dict[str, Callable[[int, int], list[Attempt]]] = {
    "netns": _network_attempts,
    "capabilities": _capability_attempts,
    "privileges": _privilege_attempts,
    "limits": _limit_attempts,
    "landlock": _landlock_attempts,
    "seccomp": _seccomp_attempts,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(find_confinement().to_json()))
