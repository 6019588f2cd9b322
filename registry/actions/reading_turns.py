"""Long reads, a few at a time on each machine: a worker must stay free for what cannot wait.

A turn is a lock of the system on a small file: a process that dies gives its turn up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from registry.conf import conf

# A file of this size is read within seconds.
LONG_BYTES = 64 << 20


@contextmanager
def turn_to_read(size_bytes: int | None) -> Iterator[bool]:
    """Whether so many bytes (None: nobody knows) may be read now; the turn ends with the block."""
    if size_bytes is not None and size_bytes < LONG_BYTES:
        yield True
        return
    with ExitStack() as stack:
        yield any(_is_taken(stack, number) for number in range(most_at_once()))


def most_at_once() -> int:
    """All processes of this machine's worker but one."""
    return max(1, conf.worker_concurrency - 1)


def _is_taken(stack: ExitStack, number: int) -> bool:
    folder = conf.home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock: BinaryIO = stack.enter_context((folder / f"long-read-{number}").open("ab"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
