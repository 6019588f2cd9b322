"""What goes wrong with machines, made to happen: processes stopped, sessions ended, disks full."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

CLONE_NEWNS = 0x20000
BLOCK = bytes(1 << 20)


def stop(pid: int) -> None:
    """Hold a process where it stands: it does not know, and its leases run out."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)


def resume(pid: int) -> None:
    """Let it go on as if nothing had happened."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """Without a word to it."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def sessions(connection: psycopg.Connection[Any]) -> list[int]:
    """The sessions of programs on this connection's database, but for this one."""
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
    )
    return [pid for (pid,) in found]


def end_session(connection: psycopg.Connection[Any], session: int) -> None:
    """End one as an administrator would, in the middle of whatever it does."""
    connection.execute("SELECT pg_terminate_backend(%s)", [session])


def may_mount() -> bool:
    """Whether this process may have a small disk of its own: on Linux, root may."""
    program = "mkdir -p /tmp && mount -t tmpfs -o size=64k none /mnt"
    try:
        tried = subprocess.run(
            ["unshare", "--mount", "sh", "-c", program], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return os.geteuid() == 0 and tried.returncode == 0


def enter_own_mounts() -> None:
    """From now on what this process and its children mount is seen by them alone.

    It ends with the last of them. To be called before the first thread is started. Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[None]:
    """A disk of so many MiB at the folder, in memory, within the block."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0700", "none", str(folder)],
        check=True,
    )
    try:
        yield
    finally:
        # Lazily: whoever still looks at it does not keep us.
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """The disk at the folder has no byte left within the block."""
    ballast = folder / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            for block in (BLOCK, bytes(4096), bytes(1)):
                _fill(file, block)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(file: Any, block: bytes) -> None:
    with suppress(OSError):
        while file.write(block):
            pass
