"""Plain: two versions on the same rows: how often they agree, how far apart they are, and where.

A ``Summary`` adds tables up, is kept with each chunk as JSON of bounded size, and is merged into
one report. The report does not depend on how the rows were cut: counts and sums are exact, the
bounds of bins are fixed, and of the rows that lie farthest apart the first hundred in one order
are kept. What agrees is what ``differences`` says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from serving.monitoring.differences import Pair, apart, labels_differ, pairs
from serving.monitoring.label_tally import LabelTally
from serving.monitoring.number_tally import NumberTally
from serving.monitoring.short import short
from serving.protocols.answers import json_values
from serving.runtimes.base import Answer, Kind

MOVERS_MAX = 100
# Of each sort, columns that are told of one by one; all columns count in what differs and moves.
COLUMNS_MAX = 20
KEYS_MAX = 6
LABELS_OF_MOVER_MAX = 3
# By which numbers rows are ranked: the first kind that both have.
_RANKED: tuple[Kind, ...] = ("probabilities", "prediction", "decision", "transform")

Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(slots=True)
class Summary:
    """What was found so far.

    ``rows`` were compared; of ``differ`` of them a label is another one, or only one side has a
    number. ``refused`` rows do not fit the other version's signature, on ``failed`` ones it
    failed: neither is compared. ``shown`` are the kinds of output whose values may be written
    down, None for all.
    """

    shown: Collection[Kind] | None = None
    rows: int = 0
    differ: int = 0
    refused: int = 0
    failed: int = 0
    labels: dict[str, LabelTally] = field(default_factory=dict)
    numbers: dict[str, NumberTally] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    movers: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ours: Answer, theirs: Answer, rows: Rows, keys: pa.Table | None = None) -> None:
        """Two answers to the same rows, whose numbers in the dataset are ``rows``.

        ``keys`` has a row for each of them: cells that tell rows apart, None where no cell may be
        kept. Raises ValueError when the answers have different numbers of rows.
        """
        found = _Found(len(rows))
        for pair in pairs(ours, theirs):
            is_other = self._add_pair(pair, found)
            found.differs |= is_other
        self.rows += len(rows)
        self.differ += int(found.differs.sum())
        self._keep(found.movers(rows, keys, lambda pair: self._is_shown(pair.kind)))

    def merge(self, other: Summary) -> None:
        """Add what another one has found, in rows that this one has not seen."""
        self.rows += other.rows
        self.differ += other.differ
        self.refused += other.refused
        self.failed += other.failed
        for name, tally in other.labels.items():
            self.labels.setdefault(name, LabelTally()).merge(tally)
        for name, numbers in other.numbers.items():
            self.numbers.setdefault(name, NumberTally()).merge(numbers)
        self.left_out |= other.left_out
        self._keep(other.movers)

    def to_json(self) -> dict[str, Any]:
        """Everything, to be merged later."""
        return {
            "rows": self.rows,
            "differ": self.differ,
            "refused": self.refused,
            "failed": self.failed,
            # Pairs, because PostgreSQL keeps no order of members.
            "labels": [[name, tally.to_json()] for name, tally in self.labels.items()],
            "numbers": [[name, tally.to_json()] for name, tally in self.numbers.items()],
            "left_out": sorted(self.left_out),
            "movers": self.movers,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Summary:
        """What ``to_json`` wrote."""
        return cls(
            rows=found["rows"],
            differ=found["differ"],
            refused=found["refused"],
            failed=found["failed"],
            labels={name: LabelTally.from_json(one) for name, one in found["labels"]},
            numbers={name: NumberTally.from_json(one) for name, one in found["numbers"]},
            left_out=set(found["left_out"]),
            movers=list(found["movers"]),
        )

    def report(self) -> dict[str, Any]:
        """The figures for a reader. ``agreement`` is null where there are no labels or no rows."""
        is_told = bool(self.labels) and self.rows > 0
        return {
            "rows": self.rows,
            "differ": self.differ,
            "refused": self.refused,
            "failed": self.failed,
            "agreement": 1 - self.differ / self.rows if is_told else None,
            "labels": [{"column": n, **t.report()} for n, t in self.labels.items()],
            "numbers": [{"column": n, **t.report()} for n, t in self.numbers.items()],
            "columns_left_out": len(self.left_out),
            "movers": self.movers,
        }

    def _add_pair(self, pair: Pair, found: _Found) -> Flags:
        if pair.is_number:
            changes, is_one_sided = apart(pair)
            found.note_numbers(pair, changes, is_one_sided)
            numbers = self._told(self.numbers, pair, NumberTally)
            if numbers is not None:
                numbers.add(changes[np.isfinite(changes)], int(is_one_sided.sum()))
            return is_one_sided
        is_other = labels_differ(pair)
        found.labels.append(pair)
        labels = self._told(self.labels, pair, LabelTally)
        if labels is not None:
            is_shown = self._is_shown(pair.kind)
            labels.add(pair.served, pair.mirrored, is_other, is_shown=is_shown)
        return is_other

    def _told(self, tallies: dict[str, Any], pair: Pair, new: type) -> Any:
        """The tally of a column; None for columns beyond those that are told of."""
        name = short(pair.column)
        if name not in tallies and len(tallies) >= COLUMNS_MAX:
            self.left_out.add(name)
            return None
        return tallies.setdefault(name, new())

    def _is_shown(self, kind: Kind) -> bool:
        return self.shown is None or kind in self.shown

    def _keep(self, movers: Iterable[dict[str, Any]]) -> None:
        self.movers = sorted((*self.movers, *movers), key=_rank)[:MOVERS_MAX]


def merged(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The report of all rows, from the JSON of summaries of parts of them, in row order."""
    whole = Summary()
    for found in summaries:
        whole.merge(Summary.from_json(found))
    return whole.report()


def without_cells(report: Mapping[str, Any], shown: Collection[Kind]) -> dict[str, Any]:
    """A report without what may repeat cells of rows: keys, and values of other than these kinds.

    Predictions are the only labels of a report, and of a mover every value may be one.
    """
    bare = dict(report)
    bare["movers"] = [_bare_mover(mover, shown) for mover in report["movers"]]
    if "prediction" not in shown:
        bare["labels"] = [{**one, "labels": None, "counts": None} for one in report["labels"]]
    return bare


def _bare_mover(mover: Mapping[str, Any], shown: Collection[Kind]) -> dict[str, Any]:
    values = [one for one in mover["values"] if one["kind"] in shown]
    return {**mover, "values": values, "keys": {}}


@dataclass(slots=True)
class _Found:
    """Of one table: which rows differ, and by how much each row has moved in which column."""

    n_rows: int
    differs: Flags = field(init=False)
    labels: list[Pair] = field(default_factory=list)
    numbers: dict[Kind, list[Pair]] = field(default_factory=dict)
    distances: dict[Kind, Floats] = field(default_factory=dict)
    farthest: dict[Kind, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.differs = np.zeros(self.n_rows, bool)

    def note_numbers(self, pair: Pair, changes: Floats, is_one_sided: Flags) -> None:
        """Infinite where only one side has a number."""
        distances = np.where(is_one_sided, np.inf, np.nan_to_num(np.abs(changes)))
        columns = self.numbers.setdefault(pair.kind, [])
        so_far = self.distances.setdefault(pair.kind, np.zeros(self.n_rows))
        farthest = self.farthest.setdefault(pair.kind, np.zeros(self.n_rows, np.int64))
        is_farther = distances > so_far
        so_far[is_farther] = distances[is_farther]
        farthest[is_farther] = len(columns)
        columns.append(pair)

    def movers(self, rows: Rows, keys: pa.Table | None, is_shown: Any) -> list[dict[str, Any]]:
        """The rows that lie farthest apart, at most a hundred, then those of other labels."""
        kind = next((kind for kind in _RANKED if kind in self.numbers), None)
        by = self.distances[kind] if kind else np.zeros(self.n_rows)
        moved = np.flatnonzero((by > 0) | self.differs)
        chosen = moved[np.lexsort((rows[moved], -by[moved]))[:MOVERS_MAX]]
        told = [pair for pair in self.labels[:LABELS_OF_MOVER_MAX] if is_shown(pair)]
        values = [_values_of(pair, chosen) for pair in told]
        texts = _keys_of(keys, chosen)
        columns = self.numbers[kind] if kind else []
        farthest = self.farthest[kind][chosen].tolist() if kind else [0] * len(chosen)
        movers = []
        for at, row in enumerate(chosen.tolist()):
            mine = [column[at] for column in values]
            if by[row] > 0 and is_shown(columns[farthest[at]]):
                mine.append(_values_of(columns[farthest[at]], np.array([row]))[0])
            distance = float(by[row])
            movers.append(
                {
                    "row": int(rows[row]),
                    "distance": distance if np.isfinite(distance) else None,
                    "values": mine,
                    "keys": {name: cells[at] for name, cells in texts.items()},
                }
            )
        return movers


def _values_of(pair: Pair, at: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """What both gave for the rows at these places."""
    places = pa.array(at)
    both = zip(
        json_values(pair.served.take(places)), json_values(pair.mirrored.take(places)), strict=True
    )
    name = short(pair.column)
    return [
        {"column": name, "kind": pair.kind, "version": short(one), "compared": short(other)}
        for one, other in both
    ]


def _keys_of(keys: pa.Table | None, at: np.ndarray[Any, Any]) -> dict[str, Sequence[Any]]:
    if keys is None:
        return {}
    return {
        short(name): [short(value) for value in json_values(_taken(keys.column(name), at))]
        for name in keys.column_names[:KEYS_MAX]
    }


def _taken(column: pa.ChunkedArray, at: np.ndarray[Any, Any]) -> pa.Array:
    taken = column.take(pa.array(at))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def _rank(mover: Mapping[str, Any]) -> tuple[float, int]:
    """Farthest first; rows of which only one side has a number before all others."""
    distance = mover["distance"]
    return (-np.inf if distance is None else -distance, mover["row"])
