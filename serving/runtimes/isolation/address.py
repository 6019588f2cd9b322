"""Unix socket addresses, which hold 107 bytes, for paths of any length."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_ADDRESS_BYTES = 107


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """The path as an address to bind or connect to.

    A path that is too long is reached through its open folder, as ``/proc/self/fd/N/name``.
    Raises OSError when the folder is not there or even the name alone is too long.
    """
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
