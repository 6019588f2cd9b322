"""Plain: rows that cover a signature: what models are compared on beside their golden rows.

They are made here and not in the process of the model, which could choose rows that suit it. Every
batch fits the signature's schema; whether its cells fit the bounds is for the validator to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from registry.signature.facts import ColumnHint
from registry.signature.types import Column, Signature

NULLS = 0.1
UNSEEN = ("", " ", "zz-unseen", "Ünseen", "0", "nan", "None", "a" * 300)
# Around the places where types end, and where float32 does.
_EXTREME_FLOATS = (
    0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1.4e-45, 1.2e-38,
    1e-9, 1e9, -1e9, 2.0**24 + 1, 2.0**53, -(2.0**53), 1e30, -1e30, 3.4028234663852886e38,
    -3.4028234663852886e38, 3.4028236e38, 1e39, -1e39, 1e300, -1e300, 1.7976931348623157e308,
    -1.7976931348623157e308,
)  # fmt: skip
_EXTREME_INTS = (0, 1, -1, 127, -128, 255, 32767, 65535, 2**24 + 1, 2**31 - 1, -(2**31), 2**53 + 1)
_EXTREME_ROWS = 2_000
# Shares of a column of numbers: seen, within the range of what was seen, plain ones.
_SHARES = (0.5, 0.8)

Pools = Mapping[str, np.ndarray]
Make = Callable[[Column, int, np.random.Generator], list[Any]]


class Covering:
    """Makes rows for one signature. ``seen`` are batches of typical rows, the likeliest first.

    ``hints`` are what the model says of its columns; ``rng`` makes the same rows again.
    """

    def __init__(
        self,
        signature: Signature,
        hints: Mapping[str, ColumnHint],
        seen: Sequence[pa.RecordBatch],
        rng: np.random.Generator,
    ) -> None:
        self._signature, self._rng = signature, rng
        self._hints = {name: hints.get(name, ColumnHint()) for name in signature.input_names}
        self._pools = {c.name: _pool(c, seen) for c in signature.inputs}

    def rows(self, count: int, *, unseen: bool = True) -> pa.RecordBatch:
        """Combinations of typical, known and, unless ``unseen`` is False, unknown values."""
        columns = [self._column(column, count, unseen) for column in self._signature.inputs]
        return self._batch(columns)

    def extremes(self) -> pa.RecordBatch:
        """Typical rows with one cell each that is not: ends of types, nulls, unknown texts."""
        wanted = [
            (at, value)
            for at, column in enumerate(self._signature.inputs)
            for value in self._extremes_of(column)
        ]
        if len(wanted) > _EXTREME_ROWS:
            places = self._rng.choice(len(wanted), _EXTREME_ROWS, replace=False)
            wanted = [wanted[place] for place in sorted(places.tolist())]
        cells = [self._column(column, len(wanted), False) for column in self._signature.inputs]
        for row, (at, value) in enumerate(wanted):
            cells[at][row] = value
        return self._batch(cells)

    def _batch(self, columns: Sequence[list[Any]]) -> pa.RecordBatch:
        arrays = [
            pa.array(cells, column.arrow)
            for cells, column in zip(columns, self._signature.inputs, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._signature.input_schema())

    def _column(self, column: Column, count: int, unseen: bool) -> list[Any]:
        rng = self._rng
        if column.shape is not None:
            return self._tensors(column, count)
        if column.type == "string":
            cells = self._texts(column, count, unseen)
        elif column.type == "boolean":
            cells = rng.integers(0, 2, count).astype(bool).tolist()
        elif column.dtype.kind in ("integer", "float"):
            cells = self._figures(column, count, unseen)
        else:
            cells = self._times(column, count)
        if column.nullable:
            for row in np.flatnonzero(rng.random(count) < NULLS).tolist():
                cells[row] = None
        return cells

    def _figures(self, column: Column, count: int, unseen: bool) -> list[Any]:
        """Numbers; codes of categories where the model knows some, others if it takes them."""
        hint, rng = self._hints[column.name], self._rng
        cells = _numbers(column, self._pools[column.name], count, rng)
        known = [v for v in hint.categories or () if isinstance(v, int | float)]
        if column.enum or not known:
            return cells
        codes = _fitting(column, rng.choice(np.array(known, np.float64), count))
        if hint.unknown_raises or not unseen:
            return codes
        for row in np.flatnonzero(rng.random(count) < _SHARES[1]).tolist():
            cells[row] = codes[row]
        return cells

    def _texts(self, column: Column, count: int, unseen: bool) -> list[Any]:
        hint = self._hints[column.name]
        known = [str(text) for text in column.enum or hint.categories or ()]
        pool = [str(text) for text in self._pools[column.name].tolist()]
        strange = () if column.enum or hint.unknown_raises or not unseen else UNSEEN
        common = known or pool or ["a"]
        cells: list[Any] = self._rng.choice(np.array(common, object), count).tolist()
        if pool and known and not column.enum:
            for row in np.flatnonzero(self._rng.random(count) < 0.2).tolist():
                cells[row] = pool[int(self._rng.integers(len(pool)))]
        if strange:
            for row in np.flatnonzero(self._rng.random(count) < NULLS).tolist():
                cells[row] = strange[int(self._rng.integers(len(strange)))]
        return cells

    def _times(self, column: Column, count: int) -> list[Any]:
        pool = self._pools[column.name]
        if len(pool):
            return [pool[i] for i in self._rng.integers(0, len(pool), count).tolist()]
        base = pa.array(self._rng.integers(0, 20_000, count), pa.int64())
        if column.type == "date":
            return base.cast(pa.int32()).cast(pa.date32()).to_pylist()  # type: ignore[no-any-return]
        micros = pa.array(np.asarray(base) * 86_400_000_000, pa.int64())
        return micros.cast(column.arrow).to_pylist()  # type: ignore[no-any-return]

    def _tensors(self, column: Column, count: int) -> list[Any]:
        shape = tuple(max(size, 1) for size in column.shape or ())
        pool = self._pools[column.name]
        flat = int(np.prod(shape))
        values = _numbers(Column("", column.type), pool, count * flat, self._rng)
        array = np.array(values, object).reshape(count, *shape)
        return array.tolist()  # type: ignore[no-any-return]

    def _extremes_of(self, column: Column) -> list[Any]:
        if column.shape is not None:
            return []
        values: list[Any] = [None] if column.nullable else []
        if column.type == "string" and not column.enum:
            values += UNSEEN
        elif column.dtype.kind == "float":
            values += _EXTREME_FLOATS
        elif column.dtype.kind == "integer":
            low, high = _bounds(column)
            values += [v for v in {*_EXTREME_INTS, low, high} if low <= v <= high]
        elif column.type == "boolean":
            values += [True, False]
        if column.dtype.kind in ("integer", "float"):
            ends = (column.min, column.max)
            values = [v for v in values if v is None or _is_within(v, ends)]
            values += [end for end in ends if end is not None]
        if column.type == "float32":
            values = [v if v is None else _narrow(v) for v in values]
        return values


def _is_within(value: float, ends: tuple[Any, Any]) -> bool:
    low, high = ends
    return (low is None or value >= low) and (high is None or value <= high)


def _narrow(value: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        narrow = float(np.float32(value))
    return (
        narrow
        if np.isfinite(narrow)
        else float(np.copysign(float(np.finfo(np.float32).max), value))
    )


def _pool(column: Column, seen: Sequence[pa.RecordBatch]) -> np.ndarray:
    """The values of the column that were seen, nulls left out; of a tensor its elements."""
    parts = []
    for batch in seen:
        values = batch.column(column.name)
        while pa.types.is_nested(values.type):
            values = values.flatten()
        values = values.drop_null()
        is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        parts.append(
            np.asarray(values.to_numpy(zero_copy_only=False))
            if is_number
            else np.array([*values.to_pylist(), None], object)[:-1]
        )
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.empty(0, object)


def _bounds(column: Column) -> tuple[int, int]:
    kind = np.iinfo(column.type)
    low = int(kind.min) if column.min is None else max(int(column.min), int(kind.min))
    high = int(kind.max) if column.max is None else min(int(column.max), int(kind.max))
    return low, high


def _numbers(column: Column, pool: np.ndarray, count: int, rng: np.random.Generator) -> list[Any]:
    """Seen values, values between and around them, zeros, ones and ends."""
    if column.enum:
        return [column.enum[i] for i in rng.integers(0, len(column.enum), count).tolist()]
    finite = pool.astype(np.float64)
    finite = finite[np.isfinite(finite) & (np.abs(finite) < 1e30)]
    if len(finite):
        low, high = np.quantile(finite, (0.01, 0.99))
    else:
        low, high = -3.0, 3.0
        finite = rng.normal(0.0, 1.0, 256) * 10.0 ** rng.integers(-1, 4, 256)
    spread = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-12)
    kind = rng.random(count)
    values = rng.choice(finite, count)
    between = rng.uniform(low - 0.5 * spread, high + 0.5 * spread, count)
    plain = rng.choice(np.array([0.0, -0.0, 1.0, -1.0, low, high, 10 * high, -10 * high]), count)
    values = np.where(kind < _SHARES[0], values, np.where(kind < _SHARES[1], between, plain))
    return _fitting(column, values)


def _fitting(column: Column, values: np.ndarray) -> list[Any]:
    """The values as the column's type and within its bounds."""
    if column.dtype.kind == "integer":
        low, high = _bounds(column)
        whole = np.clip(np.round(values), max(low, -(2**53)), min(high, 2**53)).astype(object)
        return [min(max(int(value), low), high) for value in whole.tolist()]
    if column.min is not None or column.max is not None:
        values = np.clip(values, column.min, column.max)
    if column.type == "float32":
        values = np.clip(values, -3e38, 3e38).astype(np.float32).astype(np.float64)
    return values.tolist()  # type: ignore[no-any-return]
