"""Plain: the rejected rows of a chunk: one line for each refused cell, all of them, by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa

from registry.errors import PROBLEMS_SHOWN, RowProblem
from registry.signature.types import Signature
from registry.signature.validate import Validated
from serving.batch.columns import key_names

Validate = Callable[[pa.Table], Validated]


def every_problem(validated: Validated, inputs: pa.Table, validate: Validate) -> list[RowProblem]:
    """All problems of a table, where the validator names the first hundred of them.

    The rows that it did not come to are checked again in groups that cannot have more. Of a row
    with more than a hundred bad cells the first hundred are named.
    """
    problems = list(validated.problems)
    if validated.problem_count <= len(problems):
        return problems
    # The last row named may have further bad cells: it is done again with those after it.
    last = problems[-1].row
    problems = [problem for problem in problems if problem.row < last]
    rest = validated.bad_rows[validated.bad_rows >= last]
    group_rows = max(1, PROBLEMS_SHOWN // max(inputs.num_columns, 1))
    for start in range(0, len(rest), group_rows):
        rows = rest[start : start + group_rows]
        again = validate(inputs.take(pa.array(rows)))
        problems += [replace(p, row=int(rows[p.row])) for p in again.problems]
    return problems


def rejects_table(
    problems: Sequence[RowProblem], keys: pa.Table, first_row: int, *, hides_cells: bool
) -> pa.RecordBatch:
    """Problems as a table: row, keys, column, code and, unless it hides cells, received.

    ``problems`` and ``keys`` count rows from the beginning of the table that was checked, which
    is row ``first_row`` of the dataset. A key called like one of our columns becomes
    ``input.<name>``.
    """
    rows = np.array([problem.row for problem in problems], dtype=np.int64)
    columns: dict[str, pa.Array] = {"row": pa.array(rows + first_row)}
    for name, key in zip(key_names(keys.column_names), keys.columns, strict=True):
        columns[name] = key.take(pa.array(rows)).combine_chunks()
    columns["column"] = pa.array([problem.column for problem in problems], pa.string())
    columns["code"] = pa.array([problem.code for problem in problems], pa.string())
    if not hides_cells:
        columns["received"] = pa.array([problem.received for problem in problems], pa.string())
    return pa.RecordBatch.from_pydict(columns)


def model_failed(row: int) -> RowProblem:
    """The problem of a row on which the model itself fails."""
    return RowProblem(row, None, "model-failed")


def part_of(validated: Validated, start: int, stop: int) -> Validated:
    """Good rows ``start`` up to ``stop`` alone, as if the others had not been there."""
    return msgspec.structs.replace(
        validated,
        held=validated.batch.slice(start, stop - start),
        row_numbers=validated.row_numbers[start:stop],
        n_rows=stop - start,
        problems=(),
        problem_count=0,
        bad_rows=validated.bad_rows[:0],
    )


def inputs_of(table: pa.Table, signature: Signature) -> pa.Table:
    """The signature's columns of a dataset's table, in signature order."""
    return table.select(list(signature.input_names))
