"""Plain: how far apart pairs of numbers lie, added up so that the order of adding does not matter.

Sums are whole numbers of the smallest float, so they are exact. Quantiles come from bins of fixed
bounds: sixteen in each power of two, so a quantile is at most 4 % off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

# Every finite float is so many times 2 ** -1074.
_SMALLEST_EXPONENT = 1074
_MANTISSA_BITS = 53
_HALF_BITS = 26
_BINS_PER_OCTAVE = 16
# Distances below 2 ** -40 and from 2 ** 40 on share the first and the last bin.
_FIRST_BIN, _LAST_BIN = -40 * _BINS_PER_OCTAVE, 40 * _BINS_PER_OCTAVE - 1
# Bounds of the histogram that is shown: 1, 2, 5 and so on, from a millionth to a million.
EDGES = (*(float(f"{step}e{power}") for power in range(-6, 6) for step in (1, 2, 5)), 1e6)


@dataclass(slots=True)
class NumberTally:
    """Of pairs of numbers: ``distances`` are absolute, ``changes`` signed.

    ``count`` pairs were compared, ``equal`` of them are the same number; of ``one_sided`` pairs
    only one side is a finite number. ``total`` and ``change`` are sums in units of 2 ** -1074.
    """

    count: int = 0
    equal: int = 0
    one_sided: int = 0
    total: int = 0
    change: int = 0
    largest: float = 0.0
    bins: Counter[int] = field(default_factory=Counter)
    histogram: Counter[int] = field(default_factory=Counter)

    def add(self, changes: Floats, one_sided: int) -> None:
        """Finite changes, and how many other pairs differ."""
        distances = np.abs(changes)
        apart = distances[distances > 0]
        self.count += len(changes)
        self.equal += len(changes) - len(apart)
        self.one_sided += one_sided
        self.total += exact_sum(apart)
        self.change += exact_sum(changes)
        self.largest = max(self.largest, float(apart.max(initial=0.0)))
        self.bins.update(_counted(_bins_of(apart)))
        self.histogram.update(_counted(np.searchsorted(EDGES, apart, side="right")))

    def merge(self, other: NumberTally) -> None:
        """Add what another one has counted."""
        self.count += other.count
        self.equal += other.equal
        self.one_sided += other.one_sided
        self.total += other.total
        self.change += other.change
        self.largest = max(self.largest, other.largest)
        self.bins.update(other.bins)
        self.histogram.update(other.histogram)

    def to_json(self) -> dict[str, Any]:
        """Everything, to be merged later. Sums as hexadecimal text: they have many digits."""
        return {
            "count": self.count,
            "equal": self.equal,
            "one_sided": self.one_sided,
            "total": f"{self.total:x}",
            "change": f"{self.change:x}",
            "largest": self.largest,
            "bins": sorted(self.bins.items()),
            "histogram": sorted(self.histogram.items()),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> NumberTally:
        """What ``to_json`` wrote."""
        return cls(
            found["count"],
            found["equal"],
            found["one_sided"],
            int(found["total"], 16),
            int(found["change"], 16),
            found["largest"],
            Counter(dict(found["bins"])),
            Counter(dict(found["histogram"])),
        )

    def report(self) -> dict[str, Any]:
        """The figures for a reader; null where nothing was compared."""
        return {
            "count": self.count,
            "equal": self.equal,
            "one_sided": self.one_sided,
            "mean_change": self._mean(self.change),
            "mean": self._mean(self.total),
            "p50": self.quantile(0.5),
            "p90": self.quantile(0.9),
            "p99": self.quantile(0.99),
            "largest": self.largest if self.count else None,
            "histogram": self._bars(),
        }

    def quantile(self, share: float) -> float | None:
        """How far apart ``share`` of the pairs are at most, 4 % more or less."""
        wanted = share * self.count
        seen = self.equal
        if not self.count or seen >= wanted:
            return 0.0 if self.count else None
        for index, count in sorted(self.bins.items()):
            seen += count
            if seen >= wanted:
                return min(_middle(index), self.largest)
        return self.largest

    def _mean(self, units: int) -> float | None:
        # A quotient of whole numbers is rounded once.
        return units / (self.count << _SMALLEST_EXPONENT) if self.count else None

    def _bars(self) -> list[dict[str, Any]]:
        """Distances above 0 by range, from the first range with any to the last; null: no bound."""
        if not self.histogram:
            return []
        bounds = (0.0, *EDGES, None)
        first, last = min(self.histogram), max(self.histogram)
        return [
            {"from": bounds[i], "to": bounds[i + 1], "count": self.histogram.get(i, 0)}
            for i in range(first, last + 1)
        ]


def exact_sum(values: Floats) -> int:
    """The sum of finite floats in units of 2 ** -1074, without rounding."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, _MANTISSA_BITS).astype(np.int64)
    total = 0
    for exponent in np.unique(exponents).tolist():
        of_it = whole[exponents == exponent]
        # In halves, so that no sum of them leaves 64 bits.
        high = int((of_it >> _HALF_BITS).sum())
        low = int((of_it & ((1 << _HALF_BITS) - 1)).sum())
        shift = exponent - _MANTISSA_BITS + _SMALLEST_EXPONENT
        joined = (high << _HALF_BITS) + low
        # Below the normal floats a mantissa ends in zeros: nothing is lost there.
        total += joined << shift if shift >= 0 else joined >> -shift
    return total


def bin_of(distance: float) -> int:
    """The bin of one distance above 0."""
    return int(_bins_of(np.array([distance]))[0])


def _bins_of(distances: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    mantissas, exponents = np.frexp(distances)
    within = np.floor((mantissas - 0.5) * 2 * _BINS_PER_OCTAVE).astype(np.int64)
    octaves = (exponents.astype(np.int64) - 1) * _BINS_PER_OCTAVE
    bins: np.ndarray[Any, np.dtype[np.int64]] = np.clip(octaves + within, _FIRST_BIN, _LAST_BIN)
    return bins


def _middle(index: int) -> float:
    octave, within = divmod(index, _BINS_PER_OCTAVE)
    return float((1 + (within + 0.5) / _BINS_PER_OCTAVE) * 2.0**octave)


def _counted(values: np.ndarray[Any, Any]) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
