"""Plain: what a table looks like, column by column, in one pass and bounded memory, as JSON.

Exact: count, nulls, min, max, mean, std (n - 1), true and false; distinct values and the most
frequent ones up to 1,000 different ones. From a sample of 10,000 values drawn with a fixed seed,
and so exact for shorter columns: quantiles and histogram. Nothing in it is NaN or Infinity.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import received_text
from registry.signature.cells import scalar_json
from registry.signature.types import Column

DISTINCT_MAX = 1_000
SAMPLE_SIZE = 10_000
TOP_VALUES = 10
BINS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SEED = 20_260_131


class Profiler:
    """Takes batches in order; ``result`` is one JSON object per column, in column order."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [_ColumnProfile(column, place) for place, column in enumerate(columns)]

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next batch; its columns are those given, in order."""
        for profile, array in zip(self._columns, batch.columns, strict=True):
            profile.add(array)

    def result(self) -> list[dict[str, Any]]:
        """The profile so far."""
        return [profile.result() for profile in self._columns]


class _ColumnProfile:
    def __init__(self, column: Column, place: int) -> None:
        self._column = column
        self._count = self._nulls = 0
        self._low: Any = None
        self._high: Any = None
        self._values: Counter[Any] | None = Counter()
        self._moments = _Moments()
        self._sample = _Sample(place)

    def add(self, array: pa.Array) -> None:
        self._count += len(array)
        self._nulls += array.null_count
        present = array.drop_null() if array.null_count else array
        if not len(present) or self._column.shape is not None:
            return
        if self._values is not None:
            self._count_values(present)
        if self._column.dtype.is_number:
            numbers = present.to_numpy(zero_copy_only=False)
            self._widen(numbers.min().item(), numbers.max().item())
            self._moments.add(numbers)
            self._sample.add(numbers)
        elif self._column.dtype.kind in ("date", "datetime"):
            ends = pc.min_max(present).as_py()
            self._widen(ends["min"], ends["max"])

    def result(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "name": self._column.name,
            "type": self._column.type,
            "count": self._count,
            "nulls": self._nulls,
        }
        if self._column.shape is None:
            shown |= self._distinct()
        if self._low is not None:
            shown |= {"min": self._json(self._low), "max": self._json(self._high)}
        if self._column.dtype.is_number and self._moments.count:
            shown |= self._moments.result() | self._sample.result()
        return shown

    def _count_values(self, present: pa.Array) -> None:
        assert self._values is not None
        found = pc.value_counts(present)
        if len(found) + len(self._values) > 2 * DISTINCT_MAX:
            self._values = None
            return
        values, counts = found.field(0).to_pylist(), found.field(1).to_pylist()
        # One by one: to Arrow 0.0 and -0.0 are two values, here they are one.
        for value, count in zip(values, counts, strict=True):
            self._values[value] += count
        if len(self._values) > DISTINCT_MAX:
            self._values = None

    def _widen(self, low: Any, high: Any) -> None:
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    def _distinct(self) -> dict[str, Any]:
        if self._values is None:
            return {"distinct": {"more_than": DISTINCT_MAX}}
        # Ties by the value's text, so that the same rows give the same profile.
        ranked = sorted(self._values.items(), key=lambda pair: (-pair[1], str(pair[0])))
        top = [{"value": self._json(v), "count": n} for v, n in ranked[:TOP_VALUES]]
        return {"distinct": {"exactly": len(self._values)}, "top": top}

    def _json(self, value: Any) -> Any:
        return (
            received_text(value)
            if isinstance(value, str)
            else scalar_json(value, self._column.dtype)
        )


class _Moments:
    """Mean and spread, merged batch by batch (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = 0.0

    def add(self, numbers: npt.NDArray[Any]) -> None:
        values = numbers.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            squares = float(np.square(values - mean).sum())
        total = self.count + len(values)
        gap = mean - self._mean
        self._squares += squares + gap * gap * self.count * len(values) / total
        self._mean += gap * len(values) / total
        self.count = total

    def result(self) -> dict[str, Any]:
        spread = self._squares / (self.count - 1) if self.count > 1 else math.nan
        std = math.sqrt(spread) if spread >= 0 and math.isfinite(spread) else None
        return {"mean": self._mean if math.isfinite(self._mean) else None, "std": std}


class _Sample:
    """The values with the smallest random keys: a uniform sample whatever the batches are."""

    def __init__(self, place: int) -> None:
        self._random = np.random.default_rng((SEED, place))
        self._keys: npt.NDArray[np.float64] = np.empty(0)
        self._values: npt.NDArray[Any] = np.empty(0)
        self._limit = 1.0
        self._seen = 0

    def add(self, numbers: npt.NDArray[Any]) -> None:
        keys = self._random.random(len(numbers))
        self._seen += len(numbers)
        near = np.flatnonzero(keys < self._limit)
        self._keys = np.concatenate((self._keys, keys[near]))
        self._values = np.concatenate((self._values, numbers[near].astype(np.float64)))
        if len(self._keys) > SAMPLE_SIZE:
            kept = np.argpartition(self._keys, SAMPLE_SIZE)[:SAMPLE_SIZE]
            self._keys, self._values = self._keys[kept], self._values[kept]
            self._limit = float(self._keys.max())

    def result(self) -> dict[str, Any]:
        values = np.sort(self._values)
        quantiles = np.quantile(values, QUANTILES, method="inverted_cdf")
        return {
            "quantiles": {str(q): float(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
            "histogram": _histogram(values),
            "sampled": self._seen > SAMPLE_SIZE,
        }


def _histogram(values: npt.NDArray[np.float64]) -> dict[str, Any] | None:
    """Counts in bins of equal width; None where the range is wider than a float64 holds."""
    low, high = float(values[0]), float(values[-1])
    if low == high:
        return {"edges": [low, high], "counts": [len(values)]}
    if not math.isfinite(high - low):
        return None
    edges = np.linspace(low, high, BINS + 1)
    if len(np.unique(edges)) < len(edges):
        return {"edges": [low, high], "counts": [len(values)]}
    counts, _ = np.histogram(values, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
