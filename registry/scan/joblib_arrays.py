"""Plain: the arrays of joblib, which lie raw in the stream behind a wrapper that describes them.

After the BUILD of a ``NumpyArrayWrapper`` joblib leaves the opcodes: one byte says how many bytes
of padding follow, then come the bytes of the array (joblib 1.6, ``numpy_pickle``). An array of
objects is a pickle of its own, which the machine reads by itself.
"""

from __future__ import annotations

from typing import Any

from registry.scan.finding import Refused
from registry.scan.pickle_arrays import ARRAY_MAX_BYTES, is_shape, size_of
from registry.scan.pickle_source import Source
from registry.scan.pickle_values import Array, DType, Ref, is_int, is_made

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_KEYS = {"subclass", "shape", "order", "dtype", "allow_mmap"}
_ALIGNMENT = "numpy_array_alignment_bytes"
_ALIGNMENT_MAX = 64


class Described:
    """An array as its wrapper describes it. ``alignment`` is None where no padding was written."""

    __slots__ = ("alignment", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: DType, alignment: int | None) -> None:
        self.shape, self.dtype, self.alignment = shape, dtype, alignment

    @property
    def array(self) -> Array:
        """What the gate knows of the array afterwards."""
        return Array(self.dtype.code, self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes in the stream, padding left out."""
        return size_of(self.shape, self.dtype)


def described(items: dict[str, Any]) -> Described:
    """Raises Refused ``joblib-array`` where the wrapper's state is not as joblib writes it."""
    if not _KEYS <= set(items) <= {*_KEYS, _ALIGNMENT}:
        raise _odd("has other attributes than joblib writes")
    subclass, shape, dtype = items["subclass"], items["shape"], items["dtype"]
    if type(subclass) is not Ref or subclass.full != "numpy.ndarray":
        raise _odd("is not of numpy.ndarray")
    if items["order"] not in ("C", "F") or type(items["allow_mmap"]) is not bool:
        raise _odd("has an order or a flag that joblib does not write")
    if not is_shape(shape):
        raise _odd("has no shape of sizes from 0 up")
    if not is_made(dtype, "dtype"):
        raise _odd("has no dtype of numpy")
    alignment = items.get(_ALIGNMENT)
    if alignment is not None and not (is_int(alignment) and 1 <= alignment <= _ALIGNMENT_MAX):
        raise _odd("has an alignment that joblib does not write")
    found = Described(shape, dtype.fact, alignment)
    if found.size_bytes > ARRAY_MAX_BYTES:
        raise _odd(f"would take {found.size_bytes} bytes")
    return found


def pass_over(source: Source, array: Described) -> None:
    """Leave the padding and the bytes of an array unread, and unheld."""
    source.check_frame_is_over("An array begins inside of a frame")
    if array.alignment is not None:
        padding = source.byte()
        if padding > array.alignment or source.take(padding).strip(b"\xff"):
            raise _odd(f"has {padding} bytes of padding that joblib does not write")
    source.pass_over(array.size_bytes)


def _odd(found: str) -> Refused:
    return Refused("joblib-array", f"An array in the stream {found}")
