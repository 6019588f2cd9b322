"""Plain: JSON rows to columns: objects or lists, with what each row lacks or has too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from registry.errors import RowProblem
from registry.signature.findings import BEFORE_COLUMNS, Findings
from registry.signature.judge import MISSING, cell_text
from registry.signature.names import NearestName, shown
from registry.signature.types import Signature

# The cells of one column: Python values (with MISSING where there is none) or an Arrow array.
Cells: TypeAlias = "Sequence[Any] | pa.Array"


def columns_of(
    signature: Signature, rows: Sequence[Any], found: Findings
) -> tuple[np.ndarray[Any, Any], list[Cells]]:
    """The numbers of the rows that can be read, and their cells by column in signature order.

    Rows that are no rows, and members that the signature lacks, go to ``found``.
    """
    if not rows:
        return np.arange(0), [[] for _ in signature.inputs]
    columns = _even(signature.input_names, rows)
    if columns is not None:
        return np.arange(len(rows)), columns
    return _uneven(signature, rows, found)


def _even(names: tuple[str, ...], rows: Sequence[Any]) -> list[Cells] | None:
    """The columns of rows that all have exactly the signature's members; else None."""
    kinds = set(map(type, rows))
    if not kinds <= {dict, list} or set(map(len, rows)) != {len(names)}:
        return None
    if kinds == {list}:
        return list(zip(*rows, strict=True))
    if kinds != {dict}:
        return None
    try:
        if len(names) == 1:
            return [[row[names[0]] for row in rows]]
        return list(zip(*map(itemgetter(*names), rows), strict=True))
    except KeyError:
        return None


def _uneven(
    signature: Signature, rows: Sequence[Any], found: Findings
) -> tuple[np.ndarray[Any, Any], list[Cells]]:
    names, guess = signature.input_names, NearestName(signature.input_names)
    taken: list[int] = []
    gathered: list[list[Any]] = []
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            _note_unknown(signature, number, row, found, guess)
            gathered.append([row.get(name, MISSING) for name in names])
            taken.append(number)
        elif isinstance(row, list) and len(row) == len(names):
            gathered.append(row)
            taken.append(number)
        else:
            found.add_next(BEFORE_COLUMNS, number, partial(_no_row, number, row, len(names)))
    columns: list[Cells] = list(zip(*gathered, strict=True)) if gathered else [[] for _ in names]
    return np.array(taken, dtype=np.int64), columns


def _no_row(number: int, row: Any, width: int) -> RowProblem:
    if isinstance(row, list):
        return RowProblem(number, None, "wrong-length", f"{width} values", f"{len(row)} values")
    wanted = "an object, or a list in signature order"
    return RowProblem(number, None, "not-an-object", wanted, cell_text(row))


def _note_unknown(
    signature: Signature,
    number: int,
    row: Mapping[str, Any],
    found: Findings,
    guess: NearestName,
) -> None:
    unknown = [name for name in row if name not in signature.input_set]
    for position, name in enumerate(unknown, start=len(signature.inputs)):
        found.add_next(position, number, partial(_unknown, number, name, row[name], guess))


def _unknown(number: int, name: str, cell: Any, guess: NearestName) -> RowProblem:
    return RowProblem(number, shown(name), "unknown-column", guess(name), cell_text(cell))
