"""Golden rows: example inputs with the answers of the original model, compared at every load."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.runtimes.base import (
    Answer,
    Block,
    Kind,
    answer_from_ipc,
    answer_to_ipc,
    batch_from_ipc,
    batch_to_ipc,
)

# Numbers of the same model in the same libraries.
RTOL = 1e-9
ATOL = 1e-12

_HEAD = struct.Struct("!4sQ")
_MAGIC = b"MYG1"


@dataclass(frozen=True, slots=True)
class Golden:
    """Inputs as the validator hands them over, and what the original model answered."""

    inputs: pa.RecordBatch
    answer: Answer

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The outputs that were asked for when the answer was recorded, in that order."""
        return tuple(dict.fromkeys(block.kind for block in self.answer.blocks))

    def to_bytes(self) -> bytes:
        """A head with the length of the first part, then two Arrow IPC streams."""
        inputs = bytes(batch_to_ipc(self.inputs))
        return _HEAD.pack(_MAGIC, len(inputs)) + inputs + bytes(answer_to_ipc(self.answer))

    @classmethod
    def from_bytes(cls, stored: bytes | memoryview) -> Golden:
        """What ``to_bytes`` wrote. Raises ValueError when it is damaged."""
        try:
            magic, size = _HEAD.unpack_from(stored)
            if magic != _MAGIC:
                raise ValueError("these bytes are no golden rows")
            view = memoryview(stored)[_HEAD.size :]
            golden = cls(batch_from_ipc(view[:size]), answer_from_ipc(view[size:]))
        except struct.error as error:
            raise ValueError(f"the golden rows are damaged: {error}") from error
        if golden.inputs.num_rows != golden.answer.n_rows:
            raise ValueError("the golden rows have another count than their answers")
        return golden


@dataclass(frozen=True, slots=True)
class Difference:
    """How two answers differ.

    ``row`` (0-based), ``column``, ``expected`` and ``got`` are of the first difference in row
    order; ``row`` is None when the answers have another shape, which ``column`` then describes.
    ``rows`` counts the rows that differ, ``largest`` is the largest absolute difference between
    two finite numbers of the answers, 0.0 if they are equal.
    """

    row: int | None
    column: str
    expected: Any
    got: Any
    rows: int
    largest: float

    def to_json(self) -> dict[str, Any]:
        """A JSON object; what is no finite number is a text."""
        plain = {k: _shown(v) for k, v in asdict(self).items()}
        return json.loads(json.dumps(plain, default=str))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        if self.row is None:
            return f"The answers have another shape: {self.column}."
        return (
            f"Row {self.row}, {self.column}: expected {self.expected!r}, got {self.got!r};"
            f" {self.rows} rows differ."
        )


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def compare(
    expected: Answer, got: Answer, *, rtol: float = RTOL, atol: float = ATOL
) -> Difference | None:
    """The difference of two answers, None when they agree.

    Labels must be equal, numbers within ``rtol`` relative plus ``atol``; NaN equals NaN. Integers
    and decimals may be compared (answers that came as JSON), other types must be the same.
    """
    shapes = _shape_of(expected), _shape_of(got)
    if shapes[0] != shapes[1]:
        said = f"expected {shapes[0]}, got {shapes[1]}"
        return Difference(None, said[:300], None, None, max(expected.n_rows, got.n_rows), 0.0)
    columns = list(zip(_columns(expected), _columns(got), strict=True))
    differing = [_differing(mine, theirs, rtol, atol) for (_, mine), (_, theirs) in columns]
    largest = max((far for _, far in differing), default=0.0)
    wrong = [rows for rows, _ in differing]
    if not any(len(rows) for rows in wrong):
        return None
    row, at = min((int(rows[0]), i) for i, rows in enumerate(wrong) if len(rows))
    (name, mine), (_, theirs) = columns[at]
    count = len(np.unique(np.concatenate(wrong)))
    return Difference(row, name, mine[row].as_py(), theirs[row].as_py(), count, largest)


def _shape_of(answer: Answer) -> list[Any]:
    blocks = [
        [b.kind, b.output, None if b.labels is None else list(b.labels)] for b in answer.blocks
    ]
    return [answer.n_rows, *blocks]


def column_name(block: Block, label: Any = None) -> str:
    """What a column of an answer is called in a message, such as ``probabilities[yes]``."""
    name = block.kind if block.output is None else f"{block.kind} of {block.output}"
    return name if label is None else f"{name}[{label}]"


def _columns(answer: Answer) -> Iterator[tuple[str, pa.Array]]:
    for block in answer.blocks:
        for label, array in zip(block.labels or (None,), block.arrays, strict=True):
            yield column_name(block, label), array


def pairs_of(expected: Answer, got: Answer) -> list[tuple[pa.Array, pa.Array]]:
    """The columns of two answers of the same shape side by side."""
    both = zip(_columns(expected), _columns(got), strict=True)
    return [(mine, theirs) for (_, mine), (_, theirs) in both]


def numbers_of(array: pa.Array) -> np.ndarray | None:
    """A column of numbers as float64 with null as NaN; None for any other."""
    if not _is_number(array.type):
        return None
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _differing(
    mine: pa.Array, theirs: pa.Array, rtol: float, atol: float
) -> tuple[np.ndarray, float]:
    """The rows that differ, ascending, and the largest distance."""
    floats = pa.types.is_floating(mine.type) or pa.types.is_floating(theirs.type)
    if floats and _is_number(mine.type) and _is_number(theirs.type):
        return _differing_numbers(mine, theirs, rtol, atol)
    if mine.type != theirs.type:
        return np.arange(len(mine)), 0.0
    equal = pc.fill_null(pc.equal(mine, theirs), False)
    both_null = pc.and_(pc.is_null(mine), pc.is_null(theirs))
    same = np.asarray(pc.or_(equal, both_null).to_numpy(zero_copy_only=False))
    return np.flatnonzero(~same), 0.0


def _differing_numbers(
    mine: pa.Array, theirs: pa.Array, rtol: float, atol: float
) -> tuple[np.ndarray, float]:
    a, b = (np.asarray(numbers_of(x)) for x in (mine, theirs))
    finite = np.isfinite(a) & np.isfinite(b)
    distance = np.zeros(len(a))
    distance[finite] = np.abs(a[finite] - b[finite])
    close = finite & (distance <= atol + rtol * np.abs(np.where(finite, a, 0.0)))
    same = close | (np.isnan(a) & np.isnan(b)) | (a == b)
    return np.flatnonzero(~same), float(distance.max(initial=0.0))
