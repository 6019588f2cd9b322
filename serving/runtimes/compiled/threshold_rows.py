"""Rows on the thresholds of a model and one step beside them: made in the model host.

Thresholds stand behind the preprocessing. Which input drives a feature is found by altering one
input after the other; where it crosses the threshold by halving the ordered floating point numbers
(or whole numbers) between the ends of its type, for all thresholds at once.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.types import Column, Signature
from serving.runtimes.base import LoadedModel
from serving.runtimes.compiled.split_sites import Site, sites_of

# The ends between which is searched: beyond them transforms overflow, and models refuse.
_END = 1e30
_HALVINGS = 66
_PROBES = 4
_MEASURED_ROWS = 4_000
_CELLS_AT_ONCE = 8_000_000


@dataclass(slots=True)
class Tally:
    """``thresholds``: all of the model, each pair of feature and value once. ``tried``: drawn and
    reached by an input; ``rows`` were made of them."""

    thresholds: int = 0
    tried: int = 0
    rows: int = 0


def rows_on_thresholds(
    model: LoadedModel,
    signature: Signature,
    base: pa.RecordBatch,
    *,
    most: int,
    seed: int,
    budget_s: float,
) -> tuple[pa.RecordBatch, Tally]:
    """At most ``most`` rows: ``base``'s rows with one cell on either side of a threshold.

    ``base`` are typical rows that the model answers. After ``budget_s`` what was found is returned.
    """
    rng, until = np.random.default_rng(seed), time.monotonic() + budget_s
    sites = sites_of(model)
    tally = Tally(sum(len(site.thresholds) for site in sites))
    made: list[pa.RecordBatch] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for left, site in zip(range(len(sites), 0, -1), sites, strict=True):
            room = (most - tally.rows) // left
            share_s = (until - time.monotonic()) / left
            if room < 2 or share_s <= 0:
                break
            try:
                search = _Search(site, signature, base, rng)
                for batch in search.rows(room, time.monotonic() + share_s, share_s):
                    made.append(batch)
                    tally.rows += batch.num_rows
                tally.tried += search.tried
            except (ValueError, TypeError, IndexError, KeyError):
                continue  # a step that takes no probing: its thresholds stay untried, and counted
    schema = signature.input_schema()
    if not made:
        return base.slice(0, 0), tally
    return pa.Table.from_batches(made, schema).combine_chunks().to_batches()[0], tally


class _Search:
    """For one site: which inputs drive its features, and where they cross its thresholds."""

    def __init__(
        self, site: Site, signature: Signature, base: pa.RecordBatch, rng: np.random.Generator
    ) -> None:
        self._site, self._base, self._rng = site, base, rng
        self._columns = [
            (at, column)
            for at, column in enumerate(signature.inputs)
            if column.dtype.kind in ("float", "integer") and column.shape is None
        ]
        self.tried = 0
        self._wide = 1

    def rows(self, most: int, until: float, share_s: float) -> Iterator[pa.RecordBatch]:
        """Batches of rows on either side of thresholds."""
        drivers = self._drivers()
        driver = drivers[np.minimum(self._site.columns, len(drivers) - 1)]
        chosen = self._drawn(np.flatnonzero(driver >= 0), most, share_s)
        step = max(_CELLS_AT_ONCE // self._wide, 1)
        for start in range(0, len(chosen), step):
            if time.monotonic() < until:
                part = chosen[start : start + step]
                yield from self._beside(part, driver[part])

    def _drawn(self, reached: np.ndarray, most: int, share_s: float) -> np.ndarray:
        """As many thresholds as rows and time allow: each takes four rows and 66 halvings."""
        # So many rows that what each call costs by itself does not count.
        several = _repeated(self._base, _MEASURED_ROWS)
        began = time.monotonic()
        self._wide = max(self._features(several).shape[1], self._base.num_columns, 1)
        per_row_s = (time.monotonic() - began) / _MEASURED_ROWS
        affordable = int(share_s / (_HALVINGS * max(per_row_s, 1e-9)))
        count = min(most // 4, affordable)
        if len(reached) <= count:
            return reached
        return np.sort(self._rng.choice(reached, max(count, 0), replace=False))

    # --- which input drives a feature -----------------------------------------------------------

    def _drivers(self) -> np.ndarray:
        """For each feature the input column that moves it most, -1 where none does."""
        rest = self._base.slice(0, _PROBES)
        rest = rest if rest.num_rows == _PROBES else _repeated(rest, _PROBES)
        still = self._features(rest)
        best = np.full(still.shape[1], -1)
        moved = np.zeros(still.shape[1])
        for at, column in self._columns:
            values = self._probing(at, column)
            other = self._features(_with(rest, at, column, values))
            with np.errstate(invalid="ignore", over="ignore"):
                far = np.abs(other.astype(np.float64) - still.astype(np.float64))
            far = np.nan_to_num(far, nan=1e-9, posinf=1e300).max(axis=0)
            more = far > moved
            best[more], moved[more] = at, far[more]
        return best

    def _probing(self, at: int, column: Column) -> np.ndarray:
        """Values of the column other than those of the base rows, of a like size."""
        seen = self._base.column(at).drop_null()
        numbers = np.asarray(seen.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        if not len(numbers):
            numbers = np.zeros(1)
        low, high = float(numbers.min()), float(numbers.max())
        spread = high - low or max(abs(high), 1.0)
        values = np.array([low, high, low - spread, high + spread])[:_PROBES]
        return _Line(column).rounded(values)

    # --- where it crosses -----------------------------------------------------------------------

    def _beside(self, part: np.ndarray, driver: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Rows with the last value on one side, the first on the other, and one step beyond."""
        picked = pa.array(self._rng.integers(0, self._base.num_rows, len(part)), pa.int64())
        moved = _Moved(self._base.take(picked), driver, dict(self._columns))
        below, above, is_crossed = self._crossing(moved, part)
        self.tried += int(is_crossed.sum())
        kept = pa.array(np.flatnonzero(is_crossed), pa.int64())
        for places in moved.around(below, above, self._site.is_narrow):
            yield moved.at(places).take(kept)

    def _crossing(
        self, moved: _Moved, part: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The two neighbouring places of which one is at most the threshold, by halving."""
        low, high = moved.first, moved.last
        at_low, at_high = (self._is_below(moved, places, part) for places in (low, high))
        for _ in range(_HALVINGS):
            # Between the ends there are more places than a signed number counts.
            if (high.view(np.uint64) - low.view(np.uint64) <= 1).all():
                break
            middle = (low & high) + ((low ^ high) >> 1)  # their mean, which a sum would overflow
            same = self._is_below(moved, middle, part) == at_low
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return low, high, at_low != at_high

    def _is_below(self, moved: _Moved, places: np.ndarray, part: np.ndarray) -> np.ndarray:
        features = self._features(moved.at(places))
        mine = features[np.arange(len(part)), self._site.columns[part]]
        with np.errstate(over="ignore"):
            mine = mine.astype(np.float32) if self._site.is_narrow else mine
        below: np.ndarray = mine.astype(np.float64) <= self._site.thresholds[part]
        return below

    def _features(self, batch: pa.RecordBatch) -> np.ndarray:
        return self._site.features(batch)


class _Moved:
    """Rows with one cell each that is moved: that of the column which drives its feature."""

    def __init__(
        self, base: pa.RecordBatch, driver: np.ndarray, columns: Mapping[int, Column]
    ) -> None:
        self._base = base
        self._parts = [(int(at), _Line(columns[int(at)]), driver == at) for at in np.unique(driver)]
        self.first, self.last = np.empty(len(driver), np.int64), np.empty(len(driver), np.int64)
        for _, line, mine in self._parts:
            self.first[mine], self.last[mine] = line.first, line.last

    def at(self, places: np.ndarray) -> pa.RecordBatch:
        """The rows with their moved cells at these places of their lines."""
        batch = self._base
        for at, line, mine in self._parts:
            field = batch.schema.field(at)
            values = pa.array(line.value(places[mine])).cast(field.type)
            batch = batch.set_column(
                at, field, pc.replace_with_mask(batch.column(at), pa.array(mine), values)
            )
        return batch

    def around(self, below: np.ndarray, above: np.ndarray, is_narrow: bool) -> Iterator[np.ndarray]:
        """Both places, then one step beyond each: of float32 where that is compared."""
        yield below
        yield above
        for places, towards in ((below, -1), (above, 1)):
            beyond = places.copy()
            for _, line, mine in self._parts:
                beyond[mine] = line.beyond(places[mine], towards, is_narrow)
            yield np.clip(beyond, self.first, self.last)


class _Line:
    """The values of a numeric column in their order, as whole numbers that can be halved."""

    def __init__(self, column: Column) -> None:
        self._is_whole = column.dtype.kind == "integer"
        self._is_narrow = column.type == "float32"
        low, high = -_END, _END
        if self._is_whole:
            limits = column.dtype.bounds or (0, 0)
            low, high = max(limits[0], -(2**53)), min(limits[1], 2**53)
        low = low if column.min is None else max(low, column.min)
        high = high if column.max is None else min(high, column.max)
        first, last = self.place(np.array([low, high]))
        self.first, self.last = int(first), int(last)

    def place(self, values: np.ndarray) -> np.ndarray:
        """Their places: neighbours differ by one, order is kept, minus zero is before zero."""
        if self._is_whole:
            return values.astype(np.int64)
        if self._is_narrow:
            bits = values.astype(np.float32).view(np.int32).astype(np.int64)
        else:
            bits = values.astype(np.float64).view(np.int64)
        return np.where(bits >= 0, bits, self._lowest - bits - 1)

    def value(self, places: np.ndarray) -> np.ndarray:
        """The values at these places, as float64; whole numbers as int64."""
        if self._is_whole:
            return places
        bits = np.where(places >= 0, places, self._lowest - places - 1)
        if self._is_narrow:
            return bits.astype(np.int32).view(np.float32).astype(np.float64)
        return bits.view(np.float64)

    @property
    def _lowest(self) -> int:
        return -(1 << 31) if self._is_narrow else -(1 << 63)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """The values on the line that are next to these."""
        return self.value(
            np.clip(
                self.place(np.round(values) if self._is_whole else values), self.first, self.last
            )
        )

    def beyond(self, places: np.ndarray, towards: int, is_narrow: bool) -> np.ndarray:
        """The next places down (-1) or up (1): of float32 where that is wider and wanted."""
        if self._is_whole or self._is_narrow or not is_narrow:
            return places + towards
        narrow = self.value(places).astype(np.float32)
        return self.place(np.nextafter(narrow, np.float32(towards * np.inf)).astype(np.float64))


def _with(base: pa.RecordBatch, at: int, column: Column, values: np.ndarray) -> pa.RecordBatch:
    """The same rows with other values in one column."""
    return base.set_column(at, base.schema.field(at), pa.array(values).cast(column.arrow))


def _repeated(batch: pa.RecordBatch, count: int) -> pa.RecordBatch:
    return batch.take(pa.array(np.arange(count) % batch.num_rows, pa.int64()))
