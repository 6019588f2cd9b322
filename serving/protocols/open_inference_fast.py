"""Plain: Open Inference requests read straight into columns: one tensor per column, or one matrix.

Like ``fast_json`` this only ever says yes. What it is not sure of is left to the strict reader and
the one validator, who find every problem and word it; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET

from registry import strict_json
from registry.signature.lean import FEW_CELLS, LeanColumns, LeanTypes, lean_types
from registry.signature.types import Signature
from serving.protocols.open_inference_body import (
    ORDERED_NAMES,
    Beside,
    Tensor,
    decode_body,
    decoder_of,
    members_of,
    ordered_body,
)
from serving.protocols.open_inference_bytes import ByteReader, is_free
from serving.protocols.open_inference_tensors import NUMPY, taken_datatypes

# Bytes of a request before the name of its first tensor, if they are few.
_BEGINNING = 200


class FastInfer(msgspec.Struct, frozen=True, gc=False):
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
        found = None if len(tail) else reader.in_order(text)
        return reader.in_any_order(text, tail) if found is None else found
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


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
        self._names = list(signature.input_names)
        self._places = {column.name: at for at, column in enumerate(columns)}
        self._taken = [frozenset(taken_datatypes(column)) for column in columns]
        self._lists = [[decoder_of(list[k]) for k in one.types] for one in types]  # type: ignore[valid-type]
        self._rows = [decoder_of(tuple[one.types]) for one in types]  # type: ignore[name-defined]
        self._shaped = frozenset(c.name for c in columns if c.shape is not None)
        self._all_float = all(c.type == "float64" and is_free(c) for c in columns)
        self._bytes = ByteReader(signature)
        # Where it is not at the beginning, the order is another one.
        self._first = _as_sent(columns[0].name)
        self._decode_in_order = None if self._shaped else decoder_of(ordered_body(types[0]))

    def in_order(self, text: bytes) -> FastInfer | None:
        """A body of JSON with all tensors in the order of the signature, decoded in one go.

        None for another body. Raises DecodeError for what is no JSON.
        """
        is_first = text.find(self._first, 0, len(self._first) + _BEGINNING) >= 0
        if self._decode_in_order is None or not is_first:
            return None
        try:
            body = self._decode_in_order(text)
        except msgspec.ValidationError:
            return None
        tensors = body.inputs
        if [tensor.name for tensor in tensors] != self._names:
            return None
        shape = tensors[0].shape
        n_rows = shape[0] if shape else -1
        if shape not in ([n_rows, 1], [n_rows]):
            return None
        cells = [tensor.data for tensor in tensors]
        # Counting is done in C, for all tensors at once.
        has_shape = [tensor.shape for tensor in tensors].count(shape) == len(cells)
        if not has_shape or list(map(len, cells)).count(n_rows) < len(cells):
            return None
        columns = self._types[0].settled(cells, n_rows)
        return _taken(columns, body, text, ORDERED_NAMES * len(cells))

    def in_any_order(self, text: bytes, tail: memoryview) -> FastInfer | None:
        """Any body. Raises what msgspec raises."""
        body = decode_body(text)
        columns = self._columns(body.inputs, tail)
        names = sum([3 + (1 if one.parameters is UNSET else 2) for one in body.inputs])
        return _taken(columns, body, text, names)

    def _columns(self, tensors: list[Tensor], tail: memoryview) -> LeanColumns | None:
        if not tensors or not tensors[0].shape:
            return None
        n_rows = tensors[0].shape[0]
        if len(tensors) == 1 and tensors[0].name not in self._places:
            return self._matrix(tensors[0], n_rows, tail)
        names = {tensor.name for tensor in tensors}
        if len(names) < len(tensors) or not self._shaped.isdisjoint(names):
            return None
        shapes = [tensor.shape for tensor in tensors]
        if shapes.count([n_rows, 1]) + shapes.count([n_rows]) < len(tensors):
            return None
        if len(tail):
            return self._from_bytes(tensors, n_rows, tail)
        try:
            return self._from_json(tensors, n_rows, 0)
        except msgspec.ValidationError:  # well-formed so far: perhaps the roomy types take it
            return self._from_json(tensors, n_rows, 1)

    def _from_json(self, tensors: list[Tensor], n_rows: int, roomy: int) -> LeanColumns | None:
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
        if not any(one is None for one in cells):
            return list(cells)
        columns = zip(cells, self._signature.inputs, strict=True)
        if any(one is None and not column.nullable for one, column in columns):
            return None
        return [[None] * n_rows if one is None else one for one in cells]

    def _from_bytes(
        self, tensors: list[Tensor], n_rows: int, tail: memoryview
    ) -> LeanColumns | None:
        cells = self._bytes.cells(tensors, n_rows, tail)
        full = None if cells is None else self._filled(cells, n_rows)
        return None if full is None else LeanColumns(self._signature, tuple(full), n_rows)

    def _matrix(self, tensor: Tensor, n_rows: int, tail: memoryview) -> LeanColumns | None:
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


def _as_sent(name: str) -> bytes:
    """The name in any JSON of it; nothing where it may be written in several ways."""
    text = strict_json.dumps(name)
    return text if name.isascii() and len(text) == len(name) + 2 else b""


def _taken(columns: LeanColumns | None, body: Beside, text: bytes, names: int) -> FastInfer | None:
    members = None if columns is None else members_of(body, text, names)
    return None if columns is None or members is None else FastInfer(columns, members)
