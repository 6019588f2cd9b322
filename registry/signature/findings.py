"""Plain: the problems of a table while it is validated: all counted, the first hundred kept."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from registry.errors import PROBLEMS_SHOWN, RowProblem

BEFORE_COLUMNS = -1


class Findings:
    """Collects problems by (row, position); positions are those of the signature's columns.

    Only the first 100 of one position can be among the first 100 of all, so no more are kept.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self.count = 0
        self._bad = np.zeros(n_rows, dtype=bool)
        self._kept: list[tuple[int, int, RowProblem]] = []

    def add(self, position: int, rows: np.ndarray[Any, Any], kept: Sequence[RowProblem]) -> None:
        """Count one problem for each of ``rows``; ``kept`` are those of the first 100 of them."""
        self.count += len(rows)
        self._bad[rows] = True
        self._kept.extend((problem.row, position, problem) for problem in kept)

    def add_next(self, position: int, row: int, make: Callable[[], RowProblem]) -> None:
        """Count one problem, and make it when it may be shown.

        To be called in ascending order of row and position: when 100 are kept, all of them come
        before this one.
        """
        self.count += 1
        self._bad[row] = True
        if len(self._kept) < PROBLEMS_SHOWN:
            self._kept.append((row, position, make()))

    @property
    def bad_rows(self) -> np.ndarray[Any, Any]:
        """0-based numbers of the rows that have a problem, ascending."""
        return np.flatnonzero(self._bad)

    def first(self, lines: Sequence[int] | None = None) -> tuple[RowProblem, ...]:
        """The first 100 by row, then column; ``lines`` gives the physical line of each row."""
        kept = heapq.nsmallest(PROBLEMS_SHOWN, self._kept, key=lambda entry: entry[:2])
        problems = (problem for _, _, problem in kept)
        if lines is None:
            return tuple(problems)
        return tuple(replace(problem, line=int(lines[problem.row])) for problem in problems)
