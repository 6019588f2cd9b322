"""Reads joblib and pickle files through joblib's own unpickler with a restricted ``find_class``.

``joblib.load`` and ``pickle.load`` are never called on an upload. The unpickler is the one in
pure Python: it follows the opcodes exactly as the gate reads them, the C one does not.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

from joblib import compressor, numpy_pickle

from serving.runtimes.sklearn.allowed import NotAllowed, may_build

# Decompression ends in memory that RLIMIT_AS caps; this cap only makes the refusal a clear one.
MAX_PLAIN_BYTES = 4 * 1024**3
_CHUNK = 1024 * 1024


class RestrictedUnpickler(numpy_pickle.NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
    """joblib's unpickler, with arrays of objects read by the same ``find_class``."""

    def find_class(self, module: str, name: str) -> Any:
        """The named global, or NotAllowed."""
        if "." in name:
            raise NotAllowed(f"{module}.{name}")
        try:
            found = super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise NotAllowed(f"{module}.{name}") from error
        if not may_build(module, name, found):
            raise NotAllowed(f"{module}.{name}")
        return found


def open_pickle(artifact: BinaryIO) -> Any:
    """The object in a plain pickle stream."""
    return RestrictedUnpickler("", artifact, ensure_native_byte_order=True).load()


def open_joblib(artifact: BinaryIO) -> Any:
    """The object in a joblib file, compressed or not."""
    start = artifact.read(6)
    artifact.seek(0)
    for prefix, decompress in _CONTAINERS.items():
        if start.startswith(prefix):
            return open_pickle(io.BytesIO(decompress(artifact)))
    return open_pickle(artifact)


def _drain(plain: Any) -> bytes:
    """All bytes of a decompressing reader, at most ``MAX_PLAIN_BYTES``."""
    chunks, total = [], 0
    while chunk := plain.read(_CHUNK):
        total += len(chunk)
        if total > MAX_PLAIN_BYTES:
            raise pickle.UnpicklingError(f"more than {MAX_PLAIN_BYTES} bytes when decompressed")
        chunks.append(chunk)
    return b"".join(chunks)


def _with_file(name: str) -> Callable[[BinaryIO], bytes]:
    def decompress(artifact: BinaryIO) -> bytes:
        return _drain(compressor._COMPRESSORS[name].decompressor_file(artifact))

    return decompress


_CONTAINERS: dict[bytes, Callable[[BinaryIO], bytes]] = {
    compressor._ZLIB_PREFIX: _with_file("zlib"),
    compressor._GZIP_PREFIX: _with_file("gzip"),
    compressor._BZ2_PREFIX: _with_file("bz2"),
    compressor._XZ_PREFIX: _with_file("xz"),
    compressor._LZMA_PREFIX: _with_file("lzma"),
    compressor._LZ4_PREFIX: _with_file("lz4"),
}

__all__ = ["RestrictedUnpickler", "open_joblib", "open_pickle"]
