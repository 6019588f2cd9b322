"""Copies on this machine of small blobs that lie elsewhere: verified, bounded, made once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.conf import conf
from registry.storage.local import make_folders

# What was asked for just now may be about to be opened.
KEPT_S = 60.0
_LOCKS = 64


def copy_of(name: str, fill: Callable[[Path], None]) -> Path:
    """The path of a copy, made by ``fill`` if need be; one process at a time makes it.

    ``fill`` writes and verifies a file beside it, or raises; half a copy never has the name.
    """
    path = _folder() / name
    if _was_touched(path):
        return path
    with _turn(name):
        if not _was_touched(path):
            make_folders(path.parent)
            half = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                fill(half)
                os.replace(half, path)
            finally:
                half.unlink(missing_ok=True)
            trim_cache(conf.cache_bytes)
    return path


def forget(name: str) -> None:
    """Take a copy away, for example one that was damaged."""
    (_folder() / name).unlink(missing_ok=True)


def trim_cache(most_bytes: int) -> int:
    """Remove the copies that were asked for longest ago, until the rest has ``most_bytes``.

    How many bytes went. One that was asked for within a minute stays: it may not be open yet.
    """
    found = sorted(_copies(), key=lambda copy: copy[1])
    over = sum(size for _, _, size in found) - most_bytes
    removed, before_s = 0, time.time() - KEPT_S
    for path, used_s, size in found:
        if over - removed <= 0 or used_s > before_s:
            break
        path.unlink(missing_ok=True)
        removed += size
    return removed


def _copies() -> Iterator[tuple[Path, float, int]]:
    for folder, _, names in os.walk(_folder()):
        for name in names:
            path = Path(folder, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if path.suffix != ".lock":
                yield path, found.st_atime, found.st_size


def _was_touched(path: Path) -> bool:
    """Whether it is there; then it was used now, whatever the file system notes by itself."""
    try:
        os.utime(path, (time.time(), path.stat().st_mtime))
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _turn(name: str) -> Iterator[None]:
    """One at a time on this machine; a process that dies gives its turn up."""
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16) % _LOCKS
    make_folders(_folder())
    with (_folder() / f"{number}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder() -> Path:
    return conf.home / "cache"
