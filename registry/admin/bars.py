"""Counts as the bars of a small chart: coordinates for the pages' SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100
HEIGHT = 24
# Of the room of a bar, the part that it fills.
FILLED = 0.86


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in chart units; ``label`` says what it counts."""

    x: float
    y: float
    width: float
    height: float
    label: str


def bars_of(counts: Sequence[int], labels: Sequence[str], *, at_least: int = 1) -> list[Bar]:
    """One bar a count, the tallest as high as the chart; ``at_least`` so many have room."""
    if not counts:
        return []
    tallest, width = max(counts) or 1, WIDTH / max(len(counts), at_least)
    bars = []
    for index, (count, label) in enumerate(zip(counts, labels, strict=True)):
        height = round(count / tallest * HEIGHT, 2)
        x, y = round(index * width, 2), round(HEIGHT - height, 2)
        bars.append(Bar(x, y, round(width * FILLED, 2), height, label))
    return bars
