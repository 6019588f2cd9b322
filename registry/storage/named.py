"""Named files, on whatever Django's STORAGES names: put whole, read, listed, removed.

django-storages gives a second save another name, therefore every put looks first. On a local file
system a file appears whole or not at all: it is written under a temporary name in the same folder
tree, flushed, and renamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from django.core.files.storage import FileSystemStorage, Storage, storages

from registry.byte_ranges import RangeFile
from registry.storage import local
from registry.storage.faults import BlobMissing, space_errors
from registry.storage.remote import Bucket, bucket_of
from registry.storage.scratch import scratch_file

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that is held: its name, its size in bytes, when it was last written."""

    name: str
    size_bytes: int
    modified: datetime


def put_file(path: Path, name: str) -> None:
    """Publish a local file under a name, whole or not at all; a name that exists stays as it is.

    On a local file system the file is moved; elsewhere it is copied. What exists counts as written
    now: whoever puts is about to name it in a row. Raises StorageFull, and StorageAway where the
    storage does not answer.
    """
    held = held_in()
    if isinstance(held, Bucket):
        held.put(path, name)
    elif not local.touch(Path(held.path(name))):
        with space_errors():
            local.move_durably(path, Path(held.path(name)))


def open_named(name: str) -> BinaryIO:
    """A named file for reading, seekable; memory is flat whatever its size and wherever it lies.

    Raises BlobMissing; StorageAway now or while it is read.
    """
    held = held_in()
    if isinstance(held, Bucket):
        bucket = held
        ranges = RangeFile(bucket.size_of(name), lambda a, b: bucket.fetch(name, a, b))
        return cast(BinaryIO, ranges)
    try:
        return Path(held.path(name)).open("rb")
    except FileNotFoundError:
        raise BlobMissing(name) from None


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """``open_named``, closed at the end of the block."""
    with open_named(name) as file:
        yield file


def chunks_of(name: str, *, at_once: int = CHUNK_BYTES) -> Iterator[bytes]:
    """A named file in pieces of so many bytes, the last one shorter."""
    with opened(name) as file:
        while chunk := file.read(at_once):
            yield chunk


def size_of(name: str) -> int:
    """The size in bytes of a named file. Raises BlobMissing, StorageAway."""
    held = held_in()
    if isinstance(held, Bucket):
        return held.size_of(name)
    try:
        return Path(held.path(name)).stat().st_size
    except FileNotFoundError:
        raise BlobMissing(name) from None


def exists(name: str) -> bool:
    """Whether bytes are held under the name."""
    return held_in().exists(name)


def remove(name: str) -> None:
    """Let the bytes go; nothing happens where there are none."""
    held = held_in()
    if isinstance(held, Bucket):
        held.remove(name)
    else:
        held.delete(name)


def remove_untouched(name: str, *, since: datetime) -> bool:
    """Remove what was neither written nor put again since; whether it was removed.

    For what no row names: somebody may put the same bytes at this moment, to name them next.
    """
    held = held_in()
    if isinstance(held, Bucket):
        return held.remove_untouched(name, since)
    return local.remove_untouched(Path(held.path(name)), since)


def listed(prefix: str) -> Iterator[Listed]:
    """All files whose names begin with ``prefix``, by name."""
    held = held_in()
    if isinstance(held, Bucket):
        found = held.listed(prefix)
    else:
        held.path(prefix)  # which refuses what leads out of the storage
        found = local.files_below(Path(held.base_location), prefix)
    return (Listed(*one) for one in found)


def is_writable() -> bool:
    """Whether a small file can be written and removed again, for the readiness page."""
    with scratch_file() as path:
        path.write_bytes(b"ready")
        name = f"probe/{path.name}"
        put_file(path, name)
        remove(name)
    return True


def held_in() -> FileSystemStorage | Bucket:
    """Where files are held: a folder of this machine, or a bucket."""
    storage: Storage = storages["default"]
    return storage if isinstance(storage, FileSystemStorage) else bucket_of(storage)
