"""Blobs: bytes under a name that is made from their sha256, and hashed again where it matters.

A put of the same bytes changes nothing, and no name of a client ever becomes a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from registry.errors import TooLarge
from registry.storage import copies
from registry.storage.faults import BlobDamaged, BlobMissing, space_errors
from registry.storage.incoming import Incoming, Stored
from registry.storage.named import CHUNK_BYTES, held_in, open_named, opened, put_file
from registry.storage.remote import Bucket
from registry.storage.scratch import scratch_file


def blob_name(sha256: str) -> str:
    """Where a blob lives, for example ``blobs/ab/ab12...``."""
    return f"blobs/{sha256[:2]}/{sha256}"


def put(file: BinaryIO, *, max_bytes: int | None = None) -> Stored:
    """Hold the bytes of an open file, from its present position on; idempotent.

    Raises TooLarge over ``max_bytes`` and StorageFull when no space is left; then nothing is kept.
    """
    with scratch_file() as path:
        stored = _copied(file, path, max_bytes)
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
        if not isinstance(held_in(), Bucket):
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


def is_whole(name: str, sha256: str) -> bool:
    """Whether a named file still has these bytes; they may have been damaged in place.

    Raises BlobMissing, StorageAway.
    """
    with opened(name) as file:
        return _is_whole(file, sha256)


def read_blob(sha256: str) -> bytes:
    """The whole of a small blob."""
    with open_blob(sha256) as file:
        return file.read()


def local_path(name: str) -> Path:
    """A path on this machine with the bytes of a small file; a remote one is copied here once.

    A copy of a blob is verified when it is made. Raises BlobMissing, BlobDamaged, StorageAway.
    """
    held = held_in()
    if isinstance(held, Bucket):
        return copies.copy_of(name, lambda half: _fetch(name, half))
    path = Path(held.path(name))
    if not path.exists():
        raise BlobMissing(name)
    return path


def _fetch(name: str, path: Path) -> None:
    """A copy of a file; of a blob, only when its bytes are those of its name."""
    with opened(name) as source:
        stored = _copied(source, path)
    if name.startswith("blobs/") and name != blob_name(stored.sha256):
        raise _damaged(name.rpartition("/")[2])


def _copied(file: BinaryIO, path: Path, max_bytes: int | None = None) -> Stored:
    with closing(Incoming(path)) as copy:
        size = 0
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise TooLarge(
                    f"More than the {max_bytes} bytes that are taken.", limit_bytes=max_bytes
                )
            copy.write(chunk)
        return copy.finish()


def _is_whole(file: BinaryIO, sha256: str) -> bool:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest() == sha256


def _damaged(sha256: str) -> BlobDamaged:
    return BlobDamaged(f"The bytes of {sha256} have changed in the storage.")
