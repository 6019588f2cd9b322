"""Bytes at rest: content-addressed blobs and named parts, scratch files and copies."""

from registry.storage.blobs import (
    blob_name,
    is_whole,
    local_path,
    open_blob,
    open_verified,
    opened_verified,
    put,
    put_bytes,
    read_blob,
)
from registry.storage.copies import trim_cache
from registry.storage.faults import BlobDamaged, BlobMissing, space_errors
from registry.storage.inbox import INBOX, checked_prefix
from registry.storage.incoming import Stored
from registry.storage.named import (
    Listed,
    chunks_of,
    exists,
    is_writable,
    listed,
    open_named,
    opened,
    put_file,
    remove,
    remove_untouched,
    size_of,
)
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
    "is_whole",
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
