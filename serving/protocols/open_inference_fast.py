"""Plain: Open Inference requests read straight into columns: one tensor per column, or one matrix.

Like ``fast_json`` this only ever says yes. What it is not sure of is left to the strict reader and
the one validator, who find every problem and word it; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from registry import strict_json
from registry.errors import MalformedBody
from registry.signature.lean import FEW_CELLS, LeanCells, LeanColumns, LeanTypes, lean_types
from registry.signature.types import Column, Signature
from serving.protocols.open_inference_tensors import (
    BYTES,
    NUMPY,
    taken_datatypes,
    text_array,
    texts_of,
)

# Whole numbers up to this size are doubles without loss.
_EXACT = 1 << 53
_TRUTHS = b"\0\1"
_Scalar = int | float | str | bool | None


class _Sizes(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    binary_data_size: int


class _Tensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | UnsetType = UNSET
    parameters: _Sizes | UnsetType = UNSET


class _Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    parameters: dict[str, bool] | UnsetType = UNSET


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inputs: list[_Tensor]
    id: str | UnsetType = UNSET
    model_name: str | UnsetType = UNSET
    outputs: list[_Output] | UnsetType = UNSET
    parameters: dict[str, _Scalar] | UnsetType = UNSET


_decode: Callable[[bytes], _Body] = msgspec.json.Decoder(_Body).decode


@dataclass(frozen=True, slots=True)
class FastInfer:
    """Good rows, and the members beside ``inputs`` as the strict reader has them."""

    columns: LeanColumns
    members: dict[str, Any]


def read_infer(text: bytes, tail: memoryview, signature: Signature) -> FastInfer | None:
    """The request, when it is surely good; None says nothing about it.

    ``tail`` is what stands behind the JSON. The size of the body and the number of rows are left
    to the caller.
    """
    reader = _reader(signature)
    if reader is None:
        return None
    try:
        body = _decode(text)
        columns = reader.columns(body.inputs, tail)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if columns is None or not strict_json.surely_unique(text, _count_names(body)):
        return None
    return FastInfer(columns, _members(body))


def _count_names(body: _Body) -> int:
    count = sum(value is not UNSET for value in msgspec.structs.astuple(body))
    count += sum(3 + (1 if one.parameters is UNSET else 2) for one in body.inputs)
    if body.outputs is not UNSET:
        count += sum(1 if o.parameters is UNSET else 2 + len(o.parameters) for o in body.outputs)
    return count + (0 if body.parameters is UNSET else len(body.parameters))


def _members(body: _Body) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if body.id is not UNSET:
        members["id"] = body.id
    if body.parameters is not UNSET:
        members["parameters"] = body.parameters
    if body.outputs is not UNSET:
        members["outputs"] = [
            {"name": o.name, "parameters": None if o.parameters is UNSET else o.parameters}
            for o in body.outputs
        ]
    return members


@lru_cache(maxsize=1024)
def _reader(signature: Signature) -> _Reader | None:
    types = [lean_types(signature, roomy=roomy) for roomy in (False, True)]
    if types[0] is None or types[1] is None:
        return None
    return _Reader(signature, (types[0], types[1]))


class _Reader:
    """Tensors of one signature. Holds nothing of a request."""

    def __init__(self, signature: Signature, types: tuple[LeanTypes, LeanTypes]) -> None:
        self._signature = signature
        self._types = types
        columns = signature.inputs
        self._places = {column.name: at for at, column in enumerate(columns)}
        self._taken = [frozenset(taken_datatypes(column)) for column in columns]
        self._lists = [[_decoder(list[k]) for k in one.types] for one in types]  # type: ignore[valid-type]
        self._rows = [_decoder(tuple[one.types]) for one in types]  # type: ignore[name-defined]
        self._shaped = frozenset(c.name for c in columns if c.shape is not None)
        self._all_float = all(c.type == "float64" and _is_free(c) for c in columns)

    def columns(self, tensors: list[_Tensor], tail: memoryview) -> LeanColumns | None:
        """The columns or None. Raises what msgspec raises."""
        if not tensors or not tensors[0].shape:
            return None
        n_rows = tensors[0].shape[0]
        if len(tensors) == 1 and tensors[0].name not in self._places:
            return self._matrix(tensors[0], n_rows, tail)
        names = {tensor.name for tensor in tensors}
        if len(names) < len(tensors) or not self._shaped.isdisjoint(names):
            return None
        if any(t.shape != [n_rows, 1] and t.shape != [n_rows] for t in tensors):
            return None
        if len(tail):
            return self._from_bytes(tensors, n_rows, tail)
        try:
            return self._from_json(tensors, n_rows, 0)
        except msgspec.ValidationError:  # well-formed so far: perhaps the roomy types take it
            return self._from_json(tensors, n_rows, 1)

    def _from_json(self, tensors: list[_Tensor], n_rows: int, roomy: int) -> LeanColumns | None:
        cells: list[Sequence[Any] | None] = [None] * len(self._taken)
        for tensor in tensors:
            at = self._places.get(tensor.name)
            if at is None or tensor.data is UNSET or tensor.datatype not in self._taken[at]:
                return None
            found = self._lists[roomy][at](tensor.data)
            if len(found) != n_rows or tensor.parameters is not UNSET:
                return None
            cells[at] = found
        full = self._filled(cells, n_rows)
        return None if full is None else self._types[roomy].settled(full, n_rows)

    def _filled(self, cells: Sequence[Any], n_rows: int) -> list[Any] | None:
        """Nulls for the nullable columns that were left out; None where another one was."""
        if None not in [one if one is None else 0 for one in cells]:
            return list(cells)
        columns = zip(cells, self._signature.inputs, strict=True)
        if any(one is None and not column.nullable for one, column in columns):
            return None
        return [[None] * n_rows if one is None else one for one in cells]

    def _from_bytes(
        self, tensors: list[_Tensor], n_rows: int, tail: memoryview
    ) -> LeanColumns | None:
        cells: list[Any] = [None] * len(self._taken)
        start = 0
        for tensor in tensors:
            at = self._places.get(tensor.name)
            if at is None or tensor.parameters is UNSET or tensor.data is not UNSET:
                return None
            end = start + tensor.parameters.binary_data_size
            column = self._signature.inputs[at]
            if end < start or tensor.datatype not in self._taken[at] or not _is_free(column):
                return None
            cells[at] = _cells_of(tail[start:end], tensor.datatype, column, n_rows)
            if cells[at] is None:
                return None
            start = end
        full = self._filled(cells, n_rows) if start == len(tail) else None
        return None if full is None else LeanColumns(self._signature, tuple(full), n_rows)

    def _matrix(self, tensor: _Tensor, n_rows: int, tail: memoryview) -> LeanColumns | None:
        """A matrix of doubles, or one row of any numbers."""
        width = len(self._taken)
        is_number = tensor.datatype in ("FP64", "FP32") and self._all_float
        if tensor.shape != [n_rows, width] or not is_number:
            return None
        if tensor.parameters is not UNSET:
            size = tensor.parameters.binary_data_size
            if tensor.data is not UNSET or size != len(tail):
                return None
            if size != n_rows * width * NUMPY[tensor.datatype].itemsize or not n_rows:
                return None
            table = np.frombuffer(tail, NUMPY[tensor.datatype]).reshape(n_rows, width)
            if not math.isfinite(float(table.sum(dtype=np.float64))):
                return None
            block = np.ascontiguousarray(table.T, dtype=np.float64)
            columns = tuple(v.tolist() if n_rows <= FEW_CELLS else pa.array(v) for v in block)
            return LeanColumns(self._signature, columns, n_rows)
        if tensor.data is UNSET or len(tail):
            return None
        if n_rows == 1:
            row = self._rows[0](tensor.data)
            return self._types[0].settled([(cell,) for cell in row], 1)
        if len(set(self._types[0].types)) > 1:
            return None
        flat = self._lists[0][0](tensor.data)
        if len(flat) != n_rows * width:
            return None
        return self._types[0].settled([flat[at::width] for at in range(width)], n_rows)


def _decoder(kind: Any) -> Callable[[Any], Any]:
    decode: Callable[[Any], Any] = msgspec.json.Decoder(kind).decode
    return decode


def _is_free(column: Column) -> bool:
    """A scalar without enum and range: what is of its type is good."""
    is_bound = column.enum is not None or column.min is not None or column.max is not None
    return column.shape is None and not is_bound


def _cells_of(content: memoryview, datatype: str, column: Column, n_rows: int) -> LeanCells | None:
    """The cells of a column, None when that is not sure."""
    if datatype == BYTES:
        return _texts(content, n_rows) if column.dtype.kind == "string" else None
    kind = NUMPY[datatype]
    if len(content) != n_rows * kind.itemsize:
        return None
    if datatype == "BOOL" and len(content.tobytes().strip(_TRUTHS)):
        return None
    if n_rows <= FEW_CELLS:
        code: Any = kind.char
        return _few(content.cast(code).tolist(), datatype, column)
    values = np.frombuffer(content, kind)
    if column.dtype.kind == "float":
        return _many_floats(values, column)
    whole = values.astype(column.dtype.numpy, copy=False)
    return pa.array(whole) if kind.kind != "f" else None


def _texts(content: memoryview, n_rows: int) -> LeanCells | None:
    if n_rows > FEW_CELLS:
        return text_array(content, n_rows)
    try:
        texts = texts_of(content, n_rows, "")
    except MalformedBody:
        return None
    return texts if all(type(text) is str for text in texts) else None


def _few(cells: list[Any], datatype: str, column: Column) -> LeanCells | None:
    """Numbers or truth values, one by one."""
    if datatype.startswith("FP"):
        if column.dtype.kind != "float" or any(map(math.isinf, cells)):
            return None
        gaps = any(map(math.isnan, cells))
        if not gaps:
            return cells
        return [None if cell != cell else cell for cell in cells] if column.nullable else None
    is_exact = column.dtype.kind != "float" or all(-_EXACT <= cell <= _EXACT for cell in cells)
    return cells if is_exact else None


def _many_floats(values: np.ndarray[Any, Any], column: Column) -> LeanCells | None:
    """Doubles or narrower, or whole numbers that are doubles without loss; NaN is null."""
    if values.dtype.kind != "f":
        is_exact = int(values.min()) >= -_EXACT and int(values.max()) <= _EXACT
        return pa.array(values.astype(column.dtype.numpy, copy=False)) if is_exact else None
    # A finite sum rules out NaN and Infinity in one pass.
    if not math.isfinite(float(values.sum(dtype=np.float64))) and (
        not column.nullable or np.isinf(values).any()
    ):
        return None
    return pa.array(values.astype(column.dtype.numpy, copy=False), from_pandas=True)
