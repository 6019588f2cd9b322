"""How close a graph's answers are to the original's, over many batches; and rows taken apart.

The verdict is ``golden.compare``'s: labels equal, numbers within 1e-9 relative plus 1e-12.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from serving.runtimes.base import Answer, Block
from serving.runtimes.golden import Difference, compare, numbers_of, pairs_of

# Below it a relative difference says nothing: the absolute tolerance counts.
_SMALL = 1e-9
# So many parts a batch is split into when the model raises on one of its rows.
_PARTS = 8


@dataclass(slots=True)
class Closeness:
    """What the comparison of answers has come to.

    ``rows`` were compared, ``rows_that_differ`` of them beyond the tolerance.
    ``labels_that_differ`` counts cells that are no decimals. ``largest_relative`` leaves out
    numbers below 1e-9. ``first`` is the first difference; its row counts from the beginning of its
    batch.
    """

    rows: int = 0
    rows_that_differ: int = 0
    labels_that_differ: int = 0
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    first: Difference | None = None
    by_origin: dict[str, int] = field(default_factory=dict)

    def add(self, expected: Answer, got: Answer, origin: str) -> None:
        """Compare one batch; ``origin`` says where its rows come from."""
        self.rows += expected.n_rows
        self.by_origin[origin] = self.by_origin.get(origin, 0) + expected.n_rows
        found = compare(expected, got)
        if found is not None:
            self.rows_that_differ += found.rows
            self.first = self.first or found
        if found is None or found.row is not None:
            for mine, theirs in pairs_of(expected, got):
                self._measure(mine, theirs)

    def _measure(self, mine: pa.Array, theirs: pa.Array) -> None:
        a, b = numbers_of(mine), numbers_of(theirs)
        if a is None or b is None:
            same = mine.equals(theirs)
            self.labels_that_differ += 0 if same else _unequal(mine, theirs)
            return
        if pa.types.is_integer(mine.type):  # a label, or a count
            self.labels_that_differ += int(np.count_nonzero(a != b))
        finite = np.isfinite(a) & np.isfinite(b)
        far = np.abs(a[finite] - b[finite])
        self.largest_absolute = max(self.largest_absolute, float(far.max(initial=0.0)))
        size = np.abs(a[finite])
        told = size > _SMALL
        relative = far[told] / size[told]
        self.largest_relative = max(self.largest_relative, float(relative.max(initial=0.0)))


def _unequal(mine: pa.Array, theirs: pa.Array) -> int:
    return sum(1 for a, b in zip(mine.to_pylist(), theirs.to_pylist(), strict=True) if a != b)


@dataclass(frozen=True, slots=True)
class Sifted:
    """The rows of a batch that were answered, ascending, and their answers; None without any."""

    rows: np.ndarray[Any, Any]
    answer: Answer | None


def sift(
    score: Callable[[pa.RecordBatch], Answer],
    batch: pa.RecordBatch,
    *,
    until: float,
    refusals: tuple[type[BaseException], ...] = (Exception,),
) -> Sifted:
    """The answers to the rows on which ``score`` does not raise.

    One bad row makes a model raise on the whole batch, so a batch is taken apart until its bad
    rows stand alone. After ``until`` (monotonic) what is not yet answered is left out. Raises
    ValueError where the parts are answered in different types.
    """
    answers: list[tuple[int, Answer]] = []
    waiting = [(0, batch.num_rows)]
    while waiting and (not answers or time.monotonic() < until):
        start, length = waiting.pop()
        try:
            answers.append((start, score(batch.slice(start, length))))
        except refusals:
            step = -(-length // _PARTS)
            parts = range(start, start + length, step) if length > 1 else ()
            waiting += [(at, min(step, start + length - at)) for at in parts]
        if not answers and time.monotonic() >= until:
            break
    answers.sort(key=lambda one: one[0])
    rows = [np.arange(start, start + answer.n_rows) for start, answer in answers]
    kept = np.concatenate(rows) if rows else np.empty(0, np.int64)
    return Sifted(kept, joined([answer for _, answer in answers]))


def joined(answers: list[Answer]) -> Answer | None:
    """One answer of several, rows in order; None of none. Raises ValueError where blocks differ."""
    if len(answers) < 2:
        return answers[0] if answers else None
    blocks = []
    for parts in zip(*(answer.blocks for answer in answers), strict=True):
        first = parts[0]
        said = (first.kind, first.output, first.labels)
        if any((part.kind, part.output, part.labels) != said for part in parts):
            raise ValueError("parts of the rows are answered by different blocks")
        columns = []
        for arrays in zip(*(part.arrays for part in parts), strict=True):
            if any(array.type != arrays[0].type for array in arrays):
                raise ValueError("parts of the rows are answered in different types")
            columns.append(pa.concat_arrays(arrays))
        blocks.append(Block(first.kind, first.output, first.labels, tuple(columns)))
    return Answer(sum(answer.n_rows for answer in answers), tuple(blocks))


def picked(answer: Answer, places: np.ndarray[Any, Any]) -> Answer:
    """The same answer for some of its rows."""
    taken = pa.array(places, pa.int64())
    blocks = (
        Block(b.kind, b.output, b.labels, tuple(array.take(taken) for array in b.arrays))
        for b in answer.blocks
    )
    return Answer(len(places), tuple(blocks))
