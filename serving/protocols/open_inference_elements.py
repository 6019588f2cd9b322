"""Plain: the elements of an output tensor, as JSON or as the bytes behind it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

_TO_NUMPY = {"FP64": "<f8", "INT64": "<i8", "UINT64": "<u8", "BOOL": "?"}
# Kinds of numpy's types -> datatypes of answers.
OF_NUMPY = {"f": "FP64", "i": "INT64", "u": "UINT64", "b": "BOOL"}


class OutputTensor(msgspec.Struct, frozen=True, gc=False):
    """An entry of ``outputs`` for ``strict_json.dumps``, and the bytes of its elements where they
    stand behind the JSON.
    """

    entry: Any
    content: bytes = b""
    is_binary: bool = False


def as_numpy(values: np.ndarray[Any, Any], datatype: str) -> np.ndarray[Any, Any]:
    """The values in the type that they are sent in, little-endian; no copy where they are so."""
    return np.asarray(values, dtype=_TO_NUMPY[datatype])


def number_bytes(values: np.ndarray[Any, Any], datatype: str) -> bytes:
    """Little-endian numbers in row-major order, NaN for what is not finite."""
    numbers = as_numpy(values, datatype)
    if datatype == "FP64":
        is_finite = np.isfinite(numbers)
        if not is_finite.all():
            numbers = np.where(is_finite, numbers, np.nan)
    return numbers.tobytes()
