"""Reads joblib and pickle files through joblib's own unpickler with a restricted ``find_class``.

``joblib.load`` and ``pickle.load`` are never called on an upload. The unpickler is the one in
pure Python: it follows the opcodes exactly as the gate reads them, the C one does not. The bytes
come out of their container by the very code that the gate unpacks them with.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from joblib import numpy_pickle

from registry.scan.containers import known_container, pieces_of
from registry.scan.pickle_list import spelled_today
from serving.runtimes.sklearn.allowed import listed_global


class RestrictedUnpickler(numpy_pickle.NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
    """joblib's unpickler, with arrays of objects read by the same ``find_class``."""

    def find_class(self, module: str, name: str) -> Any:
        """The global of our list, or NotAllowed."""
        return listed_global(*spelled_today(module, name, self.proto))


def open_pickle(artifact: BinaryIO) -> Any:
    """The object in a plain pickle stream. Raises NotAllowed, and whatever a damaged one raises."""
    return RestrictedUnpickler("", artifact, ensure_native_byte_order=True).load()


def open_joblib(artifact: BinaryIO) -> Any:
    """The object in a joblib file, compressed or not. Raises as ``open_pickle``, and Refused."""
    size = artifact.seek(0, io.SEEK_END)
    artifact.seek(0)
    container = known_container(artifact.read(16))
    if container == "raw":
        artifact.seek(0)
        return open_pickle(artifact)
    return open_pickle(io.BytesIO(b"".join(pieces_of(artifact, size, container))))


__all__ = ["RestrictedUnpickler", "open_joblib", "open_pickle"]
