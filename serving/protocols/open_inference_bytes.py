"""Plain: the columns of an Open Inference request out of the bytes behind its JSON, when good.

Tensors of one kind that stand side by side are read at once: a call of numpy or Arrow takes
longer than the values of one column are worth. As in ``open_inference_fast``, None says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET

from registry.errors import MalformedBody
from registry.signature.lean import FEW_CELLS, LeanCells
from registry.signature.types import Column, Signature
from serving.protocols.open_inference_body import Tensor
from serving.protocols.open_inference_tensors import NUMPY, taken_datatypes
from serving.protocols.open_inference_texts import BYTES, text_arrays, texts_of

# Whole numbers up to this size are doubles without loss.
_EXACT = 1 << 53
_TRUTHS = b"\0\1"


class _Kind(msgspec.Struct, frozen=True, gc=False):
    """What tensors are that can be read at once: ``column`` is like each of their columns.

    ``width`` is the bytes of an element, 0 for texts.
    """

    datatype: str
    column: Column
    width: int


class _Run(msgspec.Struct, gc=False):
    """Tensors of one kind side by side: the places of their columns, and where each begins.

    ``starts`` are counted from ``start``.
    """

    kind: _Kind
    start: int
    places: list[int] = []
    starts: list[int] = []


class ByteReader:
    """Tensors as bytes of one signature. Holds nothing of a request."""

    def __init__(self, signature: Signature) -> None:
        self._width = len(signature.inputs)
        # Name and datatype of a tensor -> the place of its column, and its kind.
        self._known: dict[tuple[str, str], tuple[int, _Kind]] = {}
        kinds: dict[tuple[str, str, bool], _Kind] = {}
        for at, column in enumerate(signature.inputs):
            for datatype in taken_datatypes(column) if is_free(column) else ():
                if datatype == BYTES and column.dtype.kind != "string":
                    continue
                width = 0 if datatype == BYTES else NUMPY[datatype].itemsize
                like = (datatype, column.type, column.nullable)
                kind = kinds.setdefault(like, _Kind(datatype, column, width))
                self._known[column.name, datatype] = at, kind

    def cells(
        self, tensors: Sequence[Tensor], n_rows: int, tail: memoryview
    ) -> list[LeanCells | None] | None:
        """Cells by the place of their column, None for a column without a tensor.

        ``tensors`` are in the order of their bytes.
        """
        cells: list[LeanCells | None] = [None] * self._width
        runs = self._runs(tensors, n_rows, len(tail))
        if not runs:
            return None
        ends = [*[run.start for run in runs[1:]], len(tail)]
        for run, end in zip(runs, ends, strict=True):
            found = _cells_of(run, tail[run.start : end], n_rows)
            if found is None:
                return None
            for place, column in zip(run.places, found, strict=True):
                cells[place] = column
        return cells

    def _runs(self, tensors: Sequence[Tensor], n_rows: int, size: int) -> list[_Run]:
        """All tensors, ``size`` bytes of them; none where one is not surely good."""
        runs: list[_Run] = []
        run, at = None, 0
        for tensor in tensors:
            known = self._known.get((tensor.name, tensor.datatype))
            if known is None or tensor.parameters is UNSET or tensor.data is not UNSET:
                return []
            place, kind = known
            found = tensor.parameters.binary_data_size
            if found < 0 or (kind.width and found != n_rows * kind.width):
                return []
            if run is None or run.kind is not kind:
                run = _Run(kind, at)
                runs.append(run)
            run.places.append(place)
            run.starts.append(at - run.start)
            at += found
        return runs if at == size and n_rows > 0 else []


def is_free(column: Column) -> bool:
    """A scalar without enum and range: what is of its type is good."""
    is_bound = column.enum is not None or column.min is not None or column.max is not None
    return column.shape is None and not is_bound


def _cells_of(run: _Run, content: memoryview, n_rows: int) -> Sequence[LeanCells] | None:
    """The cells of each column, None when that is not sure."""
    datatype, column = run.kind.datatype, run.kind.column
    if datatype == BYTES:
        return _texts(content, n_rows, run.starts)
    if datatype == "BOOL" and len(content.tobytes().strip(_TRUTHS)):
        return None
    kind = NUMPY[datatype]
    cells: LeanCells | None
    if n_rows <= FEW_CELLS:
        code: Any = kind.char
        cells = _few(content.cast(code).tolist(), datatype, column)
    else:
        cells = _many(np.frombuffer(content, kind), column)
    if cells is None:
        return None
    return [cells[at : at + n_rows] for at in range(0, len(cells), n_rows)]


def _texts(content: memoryview, n_rows: int, starts: list[int]) -> Sequence[LeanCells] | None:
    if n_rows > FEW_CELLS:
        return text_arrays(content, n_rows, starts)
    columns = []
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        try:
            texts = texts_of(content[start:end], n_rows, "")
        except MalformedBody:
            return None
        if set(map(type, texts)) != {str}:
            return None
        columns.append(texts)
    return columns


def _few(cells: list[Any], datatype: str, column: Column) -> list[Any] | None:
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


def _many(values: np.ndarray[Any, Any], column: Column) -> pa.Array | None:
    """Numbers or truth values by numpy; NaN is null. They may stand at any address."""
    if not _may_become(values, column):
        return None
    typed = np.array(values, dtype=column.dtype.numpy)
    if typed.dtype.kind == "b":
        return pa.array(typed)
    if typed.dtype.kind != "f" or np.isfinite(typed).all():
        return pa.Array.from_buffers(column.arrow, len(typed), [None, pa.py_buffer(typed)])
    if not column.nullable or np.isinf(typed).any():
        return None
    return pa.array(typed, from_pandas=True)


def _may_become(values: np.ndarray[Any, Any], column: Column) -> bool:
    """Whole numbers that are doubles without loss may become floats, no float a whole number."""
    is_float = values.dtype.kind == "f"
    if column.dtype.kind != "float":
        return not is_float
    return is_float or (int(values.min()) >= -_EXACT and int(values.max()) <= _EXACT)
