"""What can go wrong with bytes at rest."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import StorageFull

FULL_RETRY_S = 60


class BlobMissing(Exception):
    """No bytes are held under this name."""


class BlobDamaged(Exception):
    """The bytes under a digest are no longer those bytes."""


@contextmanager
def space_errors() -> Iterator[None]:
    """Raises StorageFull in place of what the system says when no space is left."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space() from error
        raise


def no_space() -> StorageFull:
    """What is said when no space is left."""
    return StorageFull("No space is left where bytes are kept.", retry_after_s=FULL_RETRY_S)
