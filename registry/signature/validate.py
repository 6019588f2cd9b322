"""Plain: the one validator: rows or columns in, typed good rows and all problems out.

Whole columns are converted at once (``convert.py``); only cells that may be wrong are read one by
one (``judge.py``), which gives the verdict and its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from registry.errors import PROBLEMS_SHOWN, InvalidField, InvalidRows, RowProblem
from registry.signature.arrow_cells import python_cells
from registry.signature.cells import CellRefused
from registry.signature.convert import suspects, typed
from registry.signature.findings import Findings
from registry.signature.judge import MISSING, cell_text, expected_text, read_cell
from registry.signature.lean import FEW_CELLS, LeanColumns
from registry.signature.names import NearestName, first_repeated, pointer_token, shown
from registry.signature.rows import Cells, columns_of
from registry.signature.types import Column, Signature

_NO_ROWS = np.arange(0)
_FIRST_ROW = np.arange(1)
_FIRST_ROW.setflags(write=False)


class Validated(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A table that was checked.

    ``held`` are the good rows only, in signature order: an Arrow batch in the signature's types,
    or Python cells that become one when ``batch`` is asked for. ``row_numbers`` are the 0-based
    input rows of each of them (int64, shape ``(n_good,)``). ``problems`` are the first 100
    by row and column, ``problem_count`` counts all, ``bad_rows`` are the rows that have any
    (int64, ascending). ``n_rows`` counts good and bad.
    """

    held: pa.RecordBatch | LeanColumns
    row_numbers: np.ndarray[Any, Any]
    n_rows: int
    problems: tuple[RowProblem, ...] = ()
    problem_count: int = 0
    bad_rows: np.ndarray[Any, Any] = msgspec.field(default_factory=lambda: _NO_ROWS)

    @classmethod
    def all_good(cls, columns: LeanColumns) -> Validated:
        """A table without a problem, as the lean half of validation has it."""
        n_rows = columns.n_rows
        return cls(columns, _FIRST_ROW if n_rows == 1 else np.arange(n_rows), n_rows)

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """The good rows as Arrow has them, in signature order and types."""
        return self.held.to_batch() if isinstance(self.held, LeanColumns) else self.held

    @property
    def n_good(self) -> int:
        """How many rows are good."""
        return len(self.row_numbers)

    def refuse_bad_rows(self) -> None:
        """Raise InvalidRows when any row is bad."""
        if self.problem_count:
            raise InvalidRows(
                self.problems,
                count=self.problem_count,
                bad_rows=len(self.bad_rows),
                rows=self.n_rows,
            )


def validate_rows(signature: Signature, rows: Sequence[Any]) -> Validated:
    """Check JSON rows: objects, or lists in signature order.

    A member that a row does not have is null where the column is nullable, else ``missing``.
    """
    found = Findings(len(rows))
    taken, columns = columns_of(signature, rows, found)
    return _judged(signature, columns, taken, found)


def validate_columns(
    signature: Signature, columns: Mapping[str, Cells], *, lines: Sequence[int] | None = None
) -> Validated:
    """Check columns by name, in any order: JSON lists, or Arrow arrays (chunked too).

    An unknown column, or one that is missing and not nullable, is a problem of every row.
    ``lines`` are the physical lines of the rows, for the problems of a file. Raises InvalidField
    when the columns differ in length, or do not match the signature and have no row to say it of.
    """
    n_rows = _common_length(columns)
    found = Findings(n_rows)
    _check_names(signature, columns, n_rows, found)
    absent = [MISSING] * n_rows
    cells = [_one_array(columns.get(name, absent)) for name in signature.input_names]
    return _judged(signature, cells, np.arange(n_rows), found, lines)


def validate_table(
    signature: Signature, table: pa.Table | pa.RecordBatch, *, lines: Sequence[int] | None = None
) -> Validated:
    """Check an Arrow table. Raises InvalidField for a name that stands in its schema twice."""
    names = table.schema.names
    twice = first_repeated(names)
    if twice is not None:
        raise InvalidField(f"The column `{shown(twice)}` stands there twice.", pointer="")
    return validate_columns(signature, dict(zip(names, table.columns, strict=True)), lines=lines)


def _common_length(columns: Mapping[str, Cells]) -> int:
    lengths = {name: len(cells) for name, cells in columns.items()}
    if not lengths:
        return 0
    first, expected = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != expected:
            raise InvalidField(
                f"The column `{shown(name)}` has {length} values, "
                f"the column `{shown(first)}` has {expected}.",
                pointer=f"/columns/{pointer_token(name)}",
            )
    return expected


def _check_names(
    signature: Signature, columns: Mapping[str, Cells], n_rows: int, found: Findings
) -> None:
    """Note the unknown columns at every row; with no rows, refuse what does not match at once."""
    unknown = [name for name in columns if name not in signature.input_set]
    if not n_rows:
        _refuse_header(signature, columns, unknown)
    guess = NearestName(signature.input_names)
    for position, name in enumerate(unknown, start=len(signature.inputs)):
        problems = [
            RowProblem(row, shown(name), "unknown-column", guess(name))
            for row in range(min(n_rows, PROBLEMS_SHOWN))
        ]
        found.add(position, np.arange(n_rows), problems)


def _refuse_header(
    signature: Signature, columns: Mapping[str, Cells], unknown: Sequence[str]
) -> None:
    for name in unknown:
        raise InvalidField(
            f"There is no column `{shown(name)}`; "
            f"the nearest is `{NearestName(signature.input_names)(name)}`.",
            pointer=f"/columns/{pointer_token(name)}",
        )
    for column in signature.inputs:
        if column.name not in columns and not column.nullable:
            raise InvalidField(f"The column `{column.name}` is missing.", pointer="/columns")


def _one_array(cells: Cells) -> Cells:
    if isinstance(cells, pa.ChunkedArray):
        return cells.chunk(0) if cells.num_chunks == 1 else cells.combine_chunks()
    return cells


def _judged(
    signature: Signature,
    columns: Sequence[Cells],
    taken: np.ndarray[Any, Any],
    found: Findings,
    lines: Sequence[int] | None = None,
) -> Validated:
    """Check each column; ``taken`` are the input rows that the cells belong to."""
    arrays = [
        _checked(column, position, cells, taken, found)
        for position, (column, cells) in enumerate(zip(signature.inputs, columns, strict=True))
    ]
    bad_rows = found.bad_rows
    if found.count:
        good = ~np.isin(taken, bad_rows, assume_unique=True)
        taken = taken[good]
        mask = pa.array(good)
        arrays = [array.filter(mask) for array in arrays]
    return Validated(
        held=pa.RecordBatch.from_arrays(arrays, schema=signature.input_schema()),
        row_numbers=taken,
        n_rows=found.n_rows,
        problems=found.first(lines),
        problem_count=found.count,
        bad_rows=bad_rows,
    )


def _checked(
    column: Column, position: int, cells: Cells, taken: np.ndarray[Any, Any], found: Findings
) -> pa.Array:
    few = len(cells) <= FEW_CELLS and not isinstance(cells, pa.Array)
    array = None if few else typed(cells, column)
    doubtful = np.arange(len(cells)) if array is None else suspects(array, column)
    if array is not None and not len(doubtful):
        return array
    values: list[Any] = [None] * len(cells) if array is None else []
    refused: list[int] = []
    problems: list[RowProblem] = []
    for index, cell in zip(doubtful.tolist(), _picked(cells, doubtful), strict=True):
        try:
            value = read_cell(cell, column)
        except CellRefused as reason:
            refused.append(index)
            if len(problems) < PROBLEMS_SHOWN:
                problems.append(_problem(int(taken[index]), column, reason, cell))
        else:
            if array is None:
                values[index] = value
    found.add(position, taken[refused], problems)
    return pa.array(values, column.arrow) if array is None else array


def _picked(cells: Cells, wanted: np.ndarray[Any, Any]) -> Sequence[Any]:
    if isinstance(cells, pa.Array):
        return python_cells(cells.take(pa.array(wanted)))
    return cells if len(wanted) == len(cells) else [cells[index] for index in wanted]


def _problem(row: int, column: Column, reason: CellRefused, cell: Any) -> RowProblem:
    expected = expected_text(reason, column)
    return RowProblem(row, column.name, reason.code, expected, cell_text(cell))
