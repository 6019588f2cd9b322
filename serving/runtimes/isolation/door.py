"""The model host's door: one socket, one host behind it."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from serving.runtimes.isolation.address import address_of


class AlreadyServed(Exception):
    """Another model host holds the socket."""


class UnsafeFolder(Exception):
    """The socket's folder can be written by others."""


def listen(path: Path) -> tuple[socket.socket, int]:
    """The listening socket (0600, in a folder that only we may write) and its lock's descriptor.

    The lock ends with the process, however it ends; a socket file that is left over is removed.
    Raises AlreadyServed, UnsafeFolder or OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_mode & 0o022:
        raise UnsafeFolder(f"others may write to {path.parent}: chmod 700 it")
    lock = os.open(
        path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyServed(f"another model host serves {path}") from error
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        with address_of(path) as address:
            listener.bind(address)
    finally:
        os.umask(mask)
    listener.listen(512)
    listener.setblocking(False)
    return listener, lock
