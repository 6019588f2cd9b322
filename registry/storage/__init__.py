"""Bytes at rest: content-addressed blobs and named parts, on whatever Django's STORAGES names.

A blob's name is made from its sha256 alone, so a put of the same bytes changes nothing, and no
name of a client ever becomes a path. django-storages gives a second save another name, therefore
every put looks first. On a local file system a file appears whole or not at all: it is written
under a temporary name in the same folder tree, flushed, and renamed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from django.core.files.storage import FileSystemStorage, Storage, storages

from registry.byte_ranges import RangeFile
from registry.errors import TooLarge
from registry.storage import copies, local
from registry.storage.copies import trim_cache
from registry.storage.faults import BlobDamaged, BlobMissing, space_errors
from registry.storage.inbox import INBOX, checked_prefix
from registry.storage.incoming import Stored
from registry.storage.remote import Bucket, bucket_of
from registry.storage.scratch import scratch_file, scratch_folder, sweep_scratch

__all__ = [
    "INBOX",
    "BlobDamaged",
    "BlobMissing",
    "Listed",
    "Stored",
    "blob_name",
    "checked_prefix",
    "chunks_of",
    "exists",
    "is_writable",
    "listed",
    "local_path",
    "open_blob",
    "open_named",
    "open_verified",
    "opened",
    "opened_verified",
    "put",
    "put_bytes",
    "put_file",
    "read_blob",
    "remove",
    "remove_untouched",
    "scratch_file",
    "scratch_folder",
    "size_of",
    "space_errors",
    "sweep_scratch",
    "trim_cache",
]

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that is held: its name, its size in bytes, when it was last written."""

    name: str
    size_bytes: int
    modified: datetime


def blob_name(sha256: str) -> str:
    """Where a blob lives, for example ``blobs/ab/ab12...``."""
    return f"blobs/{sha256[:2]}/{sha256}"


def put(file: BinaryIO, *, max_bytes: int | None = None) -> Stored:
    """Hold the bytes of an open file, from its present position on; idempotent.

    Raises TooLarge over ``max_bytes`` and StorageFull when no space is left; then nothing is kept.
    """
    with scratch_file() as path:
        with space_errors(), path.open("wb") as out:
            stored = _copy_hashing(file, out, max_bytes)
        put_file(path, blob_name(stored.sha256))
    return stored


def put_bytes(body: bytes) -> Stored:
    """Hold a few bytes that are in memory."""
    with scratch_file() as path:
        with space_errors():
            path.write_bytes(body)
        stored = Stored(hashlib.sha256(body).hexdigest(), len(body))
        put_file(path, blob_name(stored.sha256))
    return stored


def put_file(path: Path, name: str) -> None:
    """Publish a local file under a name, whole or not at all; a name that exists stays as it is.

    On a local file system the file is moved; elsewhere it is copied. What exists counts as written
    now: whoever puts is about to name it in a row. Raises StorageFull, and StorageAway where the
    storage does not answer.
    """
    held = _held()
    if isinstance(held, Bucket):
        held.put(path, name)
    elif not local.touch(Path(held.path(name))):
        with space_errors():
            local.move_durably(path, Path(held.path(name)))


def open_blob(sha256: str) -> BinaryIO:
    """The blob, opened for reading and not verified. Raises BlobMissing."""
    return open_named(blob_name(sha256))


def open_verified(sha256: str) -> BinaryIO:
    """The blob, opened after its bytes were hashed again. Raises BlobMissing, BlobDamaged.

    One that lies elsewhere is copied to this machine: for files that are wanted again and again.
    """
    name = blob_name(sha256)
    file = local_path(name).open("rb")
    if not _is_whole(file, sha256):
        file.close()
        if not isinstance(_held(), Bucket):
            raise _damaged(sha256)
        copies.forget(name)
        file = local_path(name).open("rb")  # which was verified when it was copied
    file.seek(0)
    return file


@contextmanager
def opened_verified(sha256: str) -> Iterator[BinaryIO]:
    """The blob, hashed and then read where it lies: for large files that are read once.

    Raises BlobMissing, BlobDamaged, StorageAway.
    """
    with opened(blob_name(sha256)) as file:
        if not _is_whole(file, sha256):
            raise _damaged(sha256)
        file.seek(0)
        yield file


def read_blob(sha256: str) -> bytes:
    """The whole of a small blob."""
    with open_blob(sha256) as file:
        return file.read()


def open_named(name: str) -> BinaryIO:
    """A named file for reading, seekable; memory is flat whatever its size and wherever it lies.

    Raises BlobMissing; StorageAway now or while it is read.
    """
    held = _held()
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


def local_path(name: str) -> Path:
    """A path on this machine with the bytes of a small file; a remote one is copied here once.

    A copy of a blob is verified when it is made. Raises BlobMissing, BlobDamaged, StorageAway.
    """
    held = _held()
    if isinstance(held, Bucket):
        return copies.copy_of(name, lambda half: _copy(name, half))
    path = Path(held.path(name))
    if not path.exists():
        raise BlobMissing(name)
    return path


def size_of(name: str) -> int:
    """The size in bytes of a named file. Raises BlobMissing, StorageAway."""
    held = _held()
    if isinstance(held, Bucket):
        return held.size_of(name)
    try:
        return Path(held.path(name)).stat().st_size
    except FileNotFoundError:
        raise BlobMissing(name) from None


def exists(name: str) -> bool:
    """Whether bytes are held under the name."""
    return _held().exists(name)


def remove(name: str) -> None:
    """Let the bytes go; nothing happens where there are none."""
    held = _held()
    if isinstance(held, Bucket):
        held.remove(name)
    else:
        held.delete(name)


def remove_untouched(name: str, *, since: datetime) -> bool:
    """Remove what was neither written nor put again since; whether it was removed.

    For what no row names: somebody may put the same bytes at this moment, to name them next.
    """
    held = _held()
    if isinstance(held, Bucket):
        return held.remove_untouched(name, since)
    return local.remove_untouched(Path(held.path(name)), since)


def listed(prefix: str) -> Iterator[Listed]:
    """All files whose names begin with ``prefix``, by name."""
    held = _held()
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


def _held() -> FileSystemStorage | Bucket:
    storage: Storage = storages["default"]
    return storage if isinstance(storage, FileSystemStorage) else bucket_of(storage)


def _copy_hashing(file: BinaryIO, out: BinaryIO, max_bytes: int | None) -> Stored:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK_BYTES):
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            raise TooLarge(
                f"More than the {max_bytes} bytes that are taken.", limit_bytes=max_bytes
            )
        digest.update(chunk)
        out.write(chunk)
    return Stored(digest.hexdigest(), size)


def _copy(name: str, path: Path) -> None:
    with open_named(name) as source, space_errors(), path.open("wb") as out:
        stored = _copy_hashing(source, out, None)
    if name.startswith("blobs/") and name != blob_name(stored.sha256):
        raise _damaged(name.rpartition("/")[2])


def _is_whole(file: BinaryIO, sha256: str) -> bool:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest() == sha256


def _damaged(sha256: str) -> BlobDamaged:
    return BlobDamaged(f"The bytes of {sha256} have changed in the storage.")
