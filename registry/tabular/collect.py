"""Plain: the refused cells of a table while it is read: all counted, the first hundred kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import PROBLEMS_SHOWN, RowProblem
from registry.signature.arrow_cells import python_cells
from registry.signature.cells import CellRefused
from registry.signature.convert import typed
from registry.signature.judge import cell_text, expected_text, read_cell
from registry.signature.types import Column
from registry.tabular.errors import TabularError


class Problems:
    """Collects problems in any order; ``first`` gives the lowest by row and column."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[int, int, RowProblem]] = []

    def add(
        self,
        row: int,
        place: int,
        column: Column,
        refused: CellRefused,
        cell: object,
        *,
        line: int | None = None,
    ) -> None:
        """Note that ``cell`` of the column at ``place`` (0-based) was refused."""
        text = expected_text(refused, column)
        problem = RowProblem(row, column.name, refused.code, text, cell_text(cell), line)
        self.count += 1
        self._kept.append((row, place, problem))
        if len(self._kept) > 50 * PROBLEMS_SHOWN:
            self._cut()

    def _cut(self) -> None:
        self._kept = sorted(self._kept, key=lambda kept: kept[:2])[:PROBLEMS_SHOWN]

    def first(self, lines: Mapping[int, int] | None = None) -> tuple[RowProblem, ...]:
        """The first 100 by row, then column; ``lines`` gives the physical line of each row."""
        self._cut()
        known = lines or {}
        return tuple(replace(p, line=known.get(p.row, p.line)) for _, _, p in self._kept)

    def rows(self) -> set[int]:
        """The rows of the first 100 problems."""
        self._cut()
        return {row for row, _, _ in self._kept}


def bad_rows(problems: Problems, lines: Mapping[int, int] | None = None) -> TabularError:
    """The error that names the refused cells; ``lines`` gives the physical line of each row."""
    noun = "cell does" if problems.count == 1 else "cells do"
    found = f"{problems.count} {noun} not fit the type of the column"
    return TabularError("bad-rows", found, problems=problems.first(lines), count=problems.count)


def typed_values(
    values: Sequence[Any] | pa.Array,
    column: Column,
    place: int,
    problems: Problems,
    *,
    first: int,
    lines: Sequence[int | None] = (),
) -> pa.Array:
    """JSON values or an Arrow array as the column's type; a refused cell is noted, and null.

    Texts with a NUL character are refused, which neither CSV nor PostgreSQL can hold.
    ``first`` is the row number of the first value, ``lines`` the physical line of each.
    """
    column = loosened(column)
    at_once = typed(values, column)
    if at_once is not None and not _holds_nul(at_once):
        return at_once
    cells: list[Any] = python_cells(values) if isinstance(values, pa.Array) else list(values)
    for index, cell in enumerate(cells):
        try:
            cells[index] = _without_nul(read_cell(cell, column))
        except CellRefused as refused:
            line = lines[index] if lines else None
            problems.add(first + index, place, column, refused, cell, line=line)
            cells[index] = None
    return pa.array(cells, column.arrow)


def _holds_nul(array: pa.Array) -> bool:
    return pa.types.is_string(array.type) and bool(pc.any(pc.match_substring(array, "\0")).as_py())


def _without_nul(cell: object) -> object:
    if isinstance(cell, str) and "\0" in cell:
        raise CellRefused("bad-encoding", "text without NUL characters")
    return cell


def loosened(column: Column) -> Column:
    """The column with its type and shape alone: null, enum and range are the validator's."""
    return Column(column.name, column.type, nullable=True, shape=column.shape)
