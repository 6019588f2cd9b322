"""May we start at all? Each reason why not is one line that says what to do."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from pathlib import Path

# As long as a sweeper may need to end what a killed supervisor left.
SWEEP_WAIT_S = 12.0


class CannotStart(Exception):
    """The reason, in one line."""


def check_port(host: str, port: int) -> None:
    """Raise CannotStart when the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As servers do it: connections that linger from the last run are no obstacle.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except OSError as error:
            raise CannotStart(_port_problem(host, port, error)) from error


def _port_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken: end what listens there, or set PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has: set PORT to 1024 or above."
    return f"HOST {host} cannot be listened on ({error.strerror}): set HOST to 127.0.0.1."


def lock(path: Path) -> int:
    """Take the state folder for this process; returns the descriptor that holds the lock.

    Raises CannotStart when another supervisor has it. When that one is dead and only its sweeper
    still works, wait for the sweeper.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline_s = time.monotonic() + SWEEP_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            holder = _holder(descriptor)
            if _is_alive(holder) or time.monotonic() > deadline_s:
                os.close(descriptor)
                raise CannotStart(
                    f"Process {holder or '?'} runs on the state folder {path.parent.parent} "
                    "already: end it, or set MODELYARD_HOME."
                ) from None
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0)
    return int(text) if text.isdigit() else None


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
