"""Plain: one tensor of the Open Inference Protocol: its name, shape, datatype and elements.

Elements stand in ``data`` as JSON, flat or nested in row-major order, or as little-endian bytes
behind the JSON, ``parameters.binary_data_size`` of them. BYTES elements are texts in UTF-8: JSON
strings, or each with its length before it as four bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from registry.errors import InvalidField, MalformedBody
from registry.signature.dtypes import DTYPES
from registry.signature.lean import FEW_CELLS
from registry.signature.names import shown
from registry.signature.types import Column
from serving.protocols.open_inference_texts import BYTES, text_arrays, texts_of, wrong_size

# Datatype -> numpy, for all but BYTES. FP16 is no type of a column; a wider one takes it.
NUMPY: dict[str, np.dtype[Any]] = {
    dtype.open_inference: dtype.numpy for dtype in DTYPES.values() if dtype.open_inference != BYTES
} | {"FP16": np.dtype("float16")}
# More than any column has; a longer shape only makes work.
MAX_RANK = 16


@dataclass(frozen=True, slots=True)
class Tensor:
    """``elements`` are flat, in row-major order: Python values, or an Arrow array from bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: Sequence[Any] | pa.Array

    def numbers(self) -> np.ndarray[Any, Any]:
        """The elements that came as bytes, flat."""
        array: np.ndarray[Any, Any] = self.elements.to_numpy(zero_copy_only=False)  # type: ignore[union-attr]
        return array


class Tail:
    """The bytes behind the JSON; tensors take theirs from it in the order of ``inputs``."""

    def __init__(self, content: memoryview) -> None:
        self.content = content
        self.at = 0

    def take(self, size: int, name: str) -> memoryview:
        """The next ``size`` bytes. Raises MalformedBody when there are not as many."""
        taken = self.content[self.at : self.at + size]
        if len(taken) < size:
            text = f"The input `{shown(name)}` is said to have {size} bytes"
            raise MalformedBody(f"{text}; {len(taken)} are left behind the JSON.")
        self.at += size
        return taken

    def check_used_up(self) -> None:
        """Raises MalformedBody when bytes are left that no tensor has taken."""
        left = len(self.content) - self.at
        if left:
            raise MalformedBody(f"{left} bytes behind the JSON belong to no input.")


def taken_datatypes(column: Column) -> tuple[str, ...]:
    """The datatypes that a column takes, its own first: wider types take narrower tensors.

    A nullable integer column takes FP64 too, where NaN is null. Whole numbers for a column of
    floats are taken where numpy calls the cast safe; values that it would change are refused.
    """
    own = column.dtype
    if not own.is_number:
        return (own.open_inference,)
    fit = [name for name, kind in NUMPY.items() if name != "BOOL" and np.can_cast(kind, own.numpy)]
    if own.kind == "integer" and column.nullable and column.shape is None:
        fit.append("FP64")
    return tuple(dict.fromkeys([own.open_inference, *fit]))


def read_tensor(entry: Any, pointer: str, tail: Tail) -> Tensor:
    """One entry of ``inputs``. Raises InvalidField with a JSON pointer, and MalformedBody."""
    if not isinstance(entry, dict):
        raise InvalidField("An input is an object.", pointer=pointer)
    name, datatype = entry.get("name"), entry.get("datatype")
    if not isinstance(name, str):
        raise InvalidField("An input has a `name`.", pointer=f"{pointer}/name")
    if not isinstance(datatype, str) or (datatype != BYTES and datatype not in NUMPY):
        known = " ".join([*NUMPY, BYTES])
        raise InvalidField(f"`datatype` is one of {known}.", pointer=f"{pointer}/datatype")
    shape = _shape(entry.get("shape"), f"{pointer}/shape")
    size = _binary_size(entry, pointer)
    if size is None:
        return Tensor(name, datatype, shape, _from_json(entry, shape, name, pointer))
    if "data" in entry:
        text = f"The input `{shown(name)}` has `data` and `binary_data_size`."
        raise InvalidField(text, pointer=f"{pointer}/data")
    return Tensor(name, datatype, shape, _from_bytes(tail.take(size, name), datatype, shape, name))


def _shape(given: Any, pointer: str) -> tuple[int, ...]:
    is_shape = (
        isinstance(given, list)
        and len(given) <= MAX_RANK
        and all(type(length) is int and 0 <= length < 1 << 40 for length in given)
    )
    if not is_shape:
        raise InvalidField("`shape` is a list of lengths, rows first.", pointer=pointer)
    return tuple(given)


def _binary_size(entry: dict[str, Any], pointer: str) -> int | None:
    parameters = entry.get("parameters")
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise InvalidField("`parameters` is an object.", pointer=f"{pointer}/parameters")
    for name in parameters:
        if name.startswith("shared_memory"):
            text = "Shared memory is not offered; send the tensor in the body."
            raise InvalidField(text, pointer=f"{pointer}/parameters/{name}")
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        here = f"{pointer}/parameters/binary_data_size"
        raise InvalidField("`binary_data_size` is a number of bytes.", pointer=here)
    return size


def _from_json(entry: dict[str, Any], shape: tuple[int, ...], name: str, pointer: str) -> list[Any]:
    """The elements of ``data``, flat; it may be nested like the shape, or flat already."""
    elements = entry.get("data")
    if not isinstance(elements, list):
        text = f"The input `{shown(name)}` needs `data`, a list, or `binary_data_size`."
        raise InvalidField(text, pointer=f"{pointer}/data")
    for length in shape[1:]:
        if not elements or type(elements[0]) is not list:
            break
        if any(type(part) is not list or len(part) != length for part in elements):
            raise InvalidField("`data` is not nested like the shape.", pointer=f"{pointer}/data")
        elements = list(chain.from_iterable(elements))
    if len(elements) != math.prod(shape):
        text = f"The input `{shown(name)}` has {len(elements)} values for the shape {list(shape)}."
        raise InvalidField(text, pointer=f"{pointer}/data")
    return elements


def _from_bytes(
    content: memoryview, datatype: str, shape: tuple[int, ...], name: str
) -> Sequence[Any] | pa.Array:
    count = math.prod(shape)
    if datatype == BYTES:
        quick = text_arrays(content, count, [0]) if count > FEW_CELLS else None
        return texts_of(content, count, name) if quick is None else quick[0]
    kind = NUMPY[datatype].newbyteorder("<")
    if len(content) != count * kind.itemsize:
        raise wrong_size(name, f"{len(content)} bytes", f"{count} {datatype} values")
    if datatype == "BOOL":
        return pa.array(_truths(np.frombuffer(content, np.uint8), name))
    return pa.array(np.frombuffer(content, kind))


def _truths(content: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if content.size and content.max() > 1:
        raise MalformedBody(f"The input `{shown(name)}` is BOOL: its bytes are 0 and 1.")
    return content.astype(np.bool_)
