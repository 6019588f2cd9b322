"""A dataset's profile for the page: figures in words, histograms as coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.admin.bars import Bar, bars_of
from registry.models import DatasetVersion

TOP_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. ``top`` is (value, count, share of the most frequent one in 0..1)."""

    name: str
    type: str
    nullable: bool
    nulls: int
    null_text: str
    distinct: str
    figures: list[tuple[str, Any]]
    bars: list[Bar]
    ends: tuple[str, str] | None
    top: list[tuple[str, int, float]]
    sampled: bool


def column_profiles(version: DatasetVersion) -> list[ColumnProfile]:
    """The columns in order, each with its figures; empty while there is no profile."""
    figures = {str(f.get("name")): f for f in version.profile}
    return [_profile(column, figures.get(column["name"], {})) for column in version.columns]


def _profile(column: Mapping[str, Any], figures: Mapping[str, Any]) -> ColumnProfile:
    count, nulls = int(figures.get("count") or 0), int(figures.get("nulls") or 0)
    histogram = figures.get("histogram") or {}
    edges = histogram.get("edges") or []
    bars = _bars(edges, histogram.get("counts") or [])
    return ColumnProfile(
        name=column["name"],
        type=column["type"],
        nullable=bool(column.get("nullable")),
        nulls=nulls,
        null_text=f"{nulls / count:.1%}" if nulls and count else "",
        distinct=_distinct(figures.get("distinct")),
        figures=_figures(figures),
        bars=bars if len(bars) > 1 else [],
        ends=(_short(edges[0]), _short(edges[-1])) if len(bars) > 1 else None,
        top=[] if len(bars) > 1 else _top(figures.get("top") or [], count - nulls),
        sampled=bool(figures.get("sampled")),
    )


def _bars(edges: list[float], counts: list[int]) -> list[Bar]:
    if not counts or len(edges) != len(counts) + 1:
        return []
    ranges = zip(edges[:-1], edges[1:], counts, strict=True)
    labels = [f"{_short(low)} to {_short(high)}: {count}" for low, high, count in ranges]
    return bars_of(counts, labels)


def _figures(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    quantiles = figures.get("quantiles") or {}
    named = [
        ("min", figures.get("min")),
        ("median", quantiles.get("0.5")),
        ("mean", figures.get("mean")),
        ("max", figures.get("max")),
        ("std", figures.get("std")),
    ]
    return [(label, _short(value)) for label, value in named if value is not None]


def _top(top: list[Mapping[str, Any]], present: int) -> list[tuple[str, int, float]]:
    shown = [(_text(t.get("value")), int(t.get("count") or 0)) for t in top[:TOP_SHOWN]]
    return [(value, count, count / present if present else 0.0) for value, count in shown]


def _distinct(distinct: Any) -> str:
    if not isinstance(distinct, Mapping):
        return "" if distinct is None else str(distinct)
    if "more_than" in distinct:
        return f"more than {distinct['more_than']:,}"
    return f"{distinct.get('exactly', 0):,}"


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
