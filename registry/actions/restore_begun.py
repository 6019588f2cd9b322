"""Shows that a restore was begun here and has not come to its end, also when it was killed.

The database, its log and the secret key are several files: in between somebody could start the
service with half of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.actions.backup_faults import BackupRefused
from registry.conf import conf
from registry.errors import DomainError

NAME = "restore-begun"


def broken_off() -> str:
    """What to do about a restore that was broken off, for who starts the service; or nothing."""
    folder = _begun()
    if not folder:
        return ""
    return (
        f"A restore of {folder} was broken off: run `manage.py restore {folder}` again, or remove "
        f"{_marker()} to start with what is there."
    )


def is_begun(folder: Path) -> bool:
    """Whether a restore of this backup was broken off, so that it may be repeated as it was."""
    return _begun() == str(folder)


@contextmanager
def restoring(folder: Path) -> Iterator[None]:
    """The restore of a backup. What is refused within the block has changed nothing."""
    before = _begun()
    _write(str(folder))
    try:
        yield
    except (BackupRefused, DomainError):
        _write(before)
        raise
    _write("")


def _begun() -> str:
    try:
        return _marker().read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _write(text: str) -> None:
    if not text:
        _marker().unlink(missing_ok=True)
        return
    with _marker().open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _marker() -> Path:
    return conf.home / NAME
