"""Bytes at rest: content-addressed blobs and named parts, on whatever Django's STORAGES names.

A blob's name is made from its sha256 alone, so a put of the same bytes changes nothing, and no
name of a client ever becomes a path. django-storages gives a second save another name, therefore
every put looks first. On a local file system a file appears whole or not at all: it is written
under a temporary name in the same folder tree, flushed, and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from registry.conf import conf
from registry.errors import StorageFull, TooLarge

CHUNK_BYTES = 1 << 20
SCRATCH_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is now held: hexadecimal sha256 and the size in bytes."""

    sha256: str
    size_bytes: int


class BlobMissing(Exception):
    """No bytes are held under this name."""


class BlobDamaged(Exception):
    """The bytes under a digest are no longer those bytes."""


def blob_name(sha256: str) -> str:
    """Where a blob lives, for example ``blobs/ab/ab12...``."""
    return f"blobs/{sha256[:2]}/{sha256}"


def scratch_folder() -> Path:
    """A local folder for files that are not yet, or no longer, kept."""
    folder = conf.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch_file(suffix: str = "") -> Iterator[Path]:
    """A local path of our own; whatever stands there at the end is removed."""
    handle, name = tempfile.mkstemp(dir=scratch_folder(), suffix=suffix)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def sweep_scratch(*, older_than: timedelta = SCRATCH_KEPT) -> int:
    """Remove what killed processes have left of this machine's scratch files; how many it was.

    Whoever still works on a file writes to it, so that it is not old.
    """
    born_before_s = time.time() - older_than.total_seconds()
    old = [path for path in scratch_folder().iterdir() if _is_old_file(path, born_before_s)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _is_old_file(path: Path, before_s: float) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime <= before_s


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

    On a local file system the file is moved; elsewhere it is copied. Raises StorageFull.
    """
    storage = _storage()
    if storage.exists(name):
        return
    with space_errors():
        if isinstance(storage, FileSystemStorage):
            _move_durably(path, Path(storage.path(name)))
            return
        with path.open("rb") as source:
            storage.save(name, File(source))


def open_blob(sha256: str) -> BinaryIO:
    """The blob, opened for reading and not verified. Raises BlobMissing."""
    return open_named(blob_name(sha256))


def open_verified(sha256: str) -> BinaryIO:
    """The blob, opened after its bytes were hashed again. Raises BlobMissing, BlobDamaged."""
    file = local_path(blob_name(sha256)).open("rb")
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        file.close()
        raise BlobDamaged(f"The bytes of {sha256} have changed in the storage.")
    file.seek(0)
    return file


def read_blob(sha256: str) -> bytes:
    """The whole of a small blob."""
    with open_blob(sha256) as file:
        return file.read()


def open_named(name: str) -> BinaryIO:
    """A named file, opened for reading. Raises BlobMissing."""
    try:
        return cast(BinaryIO, _storage().open(name, "rb"))
    except FileNotFoundError:
        raise BlobMissing(name) from None


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A named file for reading, seekable, whatever its size. Raises BlobMissing."""
    with open_named(name) as file:
        yield file


def local_path(name: str) -> Path:
    """A path on this machine with the bytes of ``name``; a remote blob is copied here once."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        path = Path(storage.path(name))
        if not path.exists():
            raise BlobMissing(name)
        return path
    return _cached_copy(name)


def size_of(name: str) -> int:
    """The size in bytes of a named file. Raises BlobMissing."""
    if not _storage().exists(name):
        raise BlobMissing(name)
    return _storage().size(name)


def exists(name: str) -> bool:
    """Whether bytes are held under the name."""
    return _storage().exists(name)


def remove(name: str) -> None:
    """Let the bytes go; nothing happens where there are none."""
    _storage().delete(name)


def is_writable() -> bool:
    """Whether a small file can be written and removed again, for the readiness page."""
    with scratch_file() as path:
        path.write_bytes(b"ready")
        name = f"probe/{path.name}"
        put_file(path, name)
        remove(name)
    return True


def _storage() -> Storage:
    return storages["default"]


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


def _move_durably(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.chmod(0o640)
    os.replace(source, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cached_copy(name: str) -> Path:
    cached = conf.home / "cache" / name
    if not cached.exists():
        with scratch_file() as path:
            with open_named(name) as source, space_errors(), path.open("wb") as out:
                _copy_hashing(source, out, None)
            _move_durably(path, cached)
    return cached


@contextmanager
def space_errors() -> Iterator[None]:
    """Raises StorageFull in place of what the system says when no space is left."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("No space is left where bytes are kept.", retry_after_s=60) from error
        raise
