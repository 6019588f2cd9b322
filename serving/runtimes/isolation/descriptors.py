"""Descriptors that can be passed to another process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


@contextmanager
def descriptor_of(artifact: BinaryIO) -> Iterator[int]:
    """A descriptor of the artifact that can be passed on: its own, or a copy in memory."""
    with artifact:
        try:
            fd = artifact.fileno()
        except (AttributeError, OSError):
            with _copied(artifact) as fd:
                yield fd
            return
        yield fd


@contextmanager
def _copied(artifact: BinaryIO) -> Iterator[int]:
    fd = os.memfd_create("artifact")
    with os.fdopen(fd, "wb") as memory:
        shutil.copyfileobj(artifact, memory, 1024 * 1024)
        memory.flush()
        yield fd


@contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """A descriptor of these bytes, which exist nowhere else."""
    with os.fdopen(os.memfd_create("golden"), "wb") as memory:
        memory.write(content)
        memory.flush()
        yield memory.fileno()
