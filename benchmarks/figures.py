"""A figure to reach: what was measured, beside what, in how many rounds, and was it reached."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.load import Aim, Loaded, load

# Many short rounds: a machine that others use too changes its pace within seconds.
ROUNDS = 9
SECONDS = 1.0
WARM_S = 2
REST_S = 0.5


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``ours`` and ``theirs`` are in ``unit``; ``ratio`` is what has to reach ``reach``, or, with
    ``at_most``, may not pass it. ``per_round`` are the ratios of the rounds in order. Without a
    peer (``beside`` is empty) the measured value itself stands as the ratio.
    """

    key: str
    what: str
    ours: float
    theirs: float | None
    unit: str
    beside: str
    ratio: float
    reach: float
    at_most: bool = False
    per_round: tuple[float, ...] = ()
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the figure is reached."""
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach

    def line(self) -> str:
        """One row for the terminal."""
        sign, mark = ("<=" if self.at_most else ">="), ("met" if self.is_met else "NOT MET")
        theirs = "" if self.theirs is None else f"{self.theirs:>12,.1f}  {self.beside}"
        return (
            f"{self.key:<4} {self.what:<46} {self.ours:>12,.1f} {self.unit:<9} {theirs:<56}"
            f" {self.ratio:>8.2f} {sign} {self.reach:g}  {mark}"
        )

    def to_json(self) -> dict[str, Any]:
        """For the file of results."""
        return asdict(self) | {"is_met": self.is_met}


Pairs = list[tuple[Loaded, Loaded]]


def loads_in_turn(ours: Aim, theirs: Aim, *, seconds: float = SECONDS) -> Pairs:
    """Ours, theirs, ours, theirs, ...; a short load of each before does not count."""
    load(ours, seconds=WARM_S), load(theirs, seconds=WARM_S)
    return [(_after_rest(ours, seconds), _after_rest(theirs, seconds)) for _ in range(ROUNDS)]


def _after_rest(aim: Aim, seconds: float) -> Loaded:
    """A load, once a slow server has done with what it was asked before."""
    time.sleep(REST_S)
    return load(aim, seconds=seconds)


def faster(
    key: str,
    what: str,
    pairs: Pairs,
    *,
    beside: str,
    reach: float,
    rows: int = 1,
    best: bool = False,
    note: str = "",
) -> Figure:
    """Ours over theirs, in rows a second: the median of the rounds, or best against best."""
    ours = [pair[0].per_second * rows for pair in pairs]
    theirs = [pair[1].per_second * rows for pair in pairs]
    ratios = tuple(round(a / b, 3) for a, b in zip(ours, theirs, strict=True))
    choose: Callable[[Sequence[float]], float] = max if best else statistics.median
    return Figure(
        key,
        what,
        choose(ours),
        choose(theirs),
        "rows/s",
        beside,
        round(choose(ours) / choose(theirs) if best else statistics.median(ratios), 3),
        reach,
        per_round=ratios,
        note=note,
    )


def slower_at_most(
    key: str,
    what: str,
    ours_ms: Sequence[float],
    theirs_ms: Sequence[float],
    *,
    beside: str,
    reach: float,
) -> Figure:
    """The median of ours over theirs, in milliseconds, which may not pass ``reach``."""
    ratios = tuple(round(a / b, 3) for a, b in zip(ours_ms, theirs_ms, strict=True))
    return Figure(
        key,
        what,
        statistics.median(ours_ms),
        statistics.median(theirs_ms),
        "ms",
        beside,
        statistics.median(ratios),
        reach,
        at_most=True,
        per_round=ratios,
    )


def value(key: str, what: str, got: float, unit: str, *, reach: float, note: str = "") -> Figure:
    """A value that stands for itself and may not pass ``reach``."""
    return Figure(key, what, got, None, unit, "", round(got, 3), reach, at_most=True, note=note)
