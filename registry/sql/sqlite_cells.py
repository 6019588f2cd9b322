"""Plain: SQLite's columns, in which each cell has a type of its own, as columns of one type.

SQLite tells ``integer``, ``real``, ``text``, ``blob`` and ``null`` (datatype3.html). It has neither
booleans nor times: they are 0 and 1, and texts, unless ``types`` says what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.dtypes import DTYPES
from registry.signature.names import shown
from registry.signature.types import Column
from registry.tabular.errors import TabularError

# Columns at once: SQLite answers with at most 2,000.
AT_ONCE = 200
EXACT_MAX = 2**53
_TYPES = ("integer", "real", "text", "blob")
_DIGITS = "^(0|[1-9][0-9]*)$"
_REPEATED = re.compile(r"(.+):\d+")


@dataclass(frozen=True, slots=True)
class Kind:
    """What the cells of a column are: its type, or (``fault``, ``odd``) why it has none.

    ``odd`` are the SQLite types of which the first cell is looked for.
    """

    key: str
    fault: str | None = None
    odd: tuple[str, ...] = ()


def statement(query: str, kinds: Sequence[Kind]) -> str:
    """The rows of the query, whole numbers among fractions as fractions."""
    cells = ", ".join(
        f"CAST(c{place} AS REAL)" if kind.key == "float64" else f"c{place}"
        for place, kind in enumerate(kinds)
    )
    return f"{_with(query, len(kinds))} SELECT {cells} FROM q"


def questions(query: str, width: int) -> Iterator[str]:
    """Statements that answer in one row of what types the cells of the columns are."""
    named = _with(query, width)
    for start in range(0, width, AT_ONCE):
        asked = []
        for place in range(start, min(start + AT_ONCE, width)):
            asked += [f"coalesce(max(typeof(c{place}) = '{kind}'), 0)" for kind in _TYPES]
            whole = f"CASE WHEN typeof(c{place}) = 'integer' THEN c{place} END"
            asked += [f"coalesce(min({whole}), 0)", f"coalesce(max({whole}), 0)"]
        yield f"{named} SELECT {', '.join(asked)} FROM q"


def kinds_of(cells: Sequence[int]) -> list[Kind]:
    """The kinds of the columns that a question asked about, from the row that answers it."""
    return [_kind(*cells[start : start + 6]) for start in range(0, len(cells), 6)]


def _kind(whole: int, real: int, text: int, blob: int, low: int, high: int) -> Kind:
    if blob:
        return Kind("string", "type-not-supported", ("blob",))
    if text and (whole or real):
        return Kind("string", "mixed-types", ("integer", "real"))
    if text:
        return Kind("string")
    if real and (low < -EXACT_MAX or high > EXACT_MAX):
        return Kind("float64", "loses-precision", ("integer",))
    return Kind("int64" if whole and not real else "float64")


def types_of(query: str, width: int, place: int) -> str:
    """The type of each cell of one column."""
    return f"{_with(query, width)} SELECT typeof(c{place}) FROM q"


def arrays_of(rows: Sequence[Sequence[Any]], kinds: Sequence[Kind]) -> list[pa.Array]:
    """Rows as columns; texts, which come as bytes, are not looked at yet."""
    arrays = []
    for cells, kind in zip(zip(*rows, strict=True), kinds, strict=True):
        if kind.key == "string":
            arrays.append(pa.array(cells, pa.binary()).view(pa.string()))
        else:
            arrays.append(pa.array(cells, DTYPES[kind.key].arrow))
    return arrays


def refused_column(name: str, kind: Kind, row: int | None) -> TabularError:
    """The error for a column that has no one type."""
    what = {
        "type-not-supported": "holds bytes (a BLOB)",
        "mixed-types": "holds a number, and texts elsewhere",
        "loses-precision": "holds a whole number that its fractions' float64 does not keep",
    }[kind.fault or ""]
    found = f"The column `{shown(name)}` {what} in row {row}; the query can CAST it"
    return TabularError(kind.fault or "", found, line=None, column=name, row=row)


def plain_cells(array: pa.Array, column: Column, first_row: int) -> pa.Array:
    """The cells, 0 and 1 as booleans and digits as uint64 where the column is declared so.

    SQLite's integers end at 2**63 - 1, so a sink writes uint64 as text. Raises TabularError for a
    text that is not UTF-8, which SQLite keeps all the same.
    """
    if pa.types.is_string(array.type):
        _check_text(array, column.name, first_row)
        digits = pc.match_substring_regex(array, _DIGITS)
        if column.type == "uint64" and pc.all(digits, min_count=0).as_py():
            with suppress(pa.ArrowInvalid):  # too large: refused with its row, as it is
                return array.cast(pa.uint64())
    if column.type == "boolean" and pa.types.is_int64(array.type):
        binary = pc.or_kleene(pc.equal(array, 0), pc.equal(array, 1))
        if pc.all(binary, min_count=0).as_py():
            return array.cast(pa.bool_())
    return array


def _check_text(texts: pa.Array, name: str, first_row: int) -> None:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        cells = texts.cast(pa.binary()).to_pylist()
        row = first_row + next(row for row, cell in enumerate(cells) if not _is_text(cell))
        found = f"Row {row} of the column `{shown(name)}` holds bytes that are not UTF-8"
        raise TabularError("bad-encoding", found, line=None, column=name, row=row) from None


def _is_text(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def name_as_written(name: str, names: Sequence[str]) -> str:
    """The name before SQLite made it one of its own: the second ``a`` of a query is ``a:1``."""
    found = _REPEATED.fullmatch(name)
    if found and found[1].casefold() in {other.casefold() for other in names if other != name}:
        return next(o for o in names if o.casefold() == found[1].casefold())
    return name


def _with(query: str, width: int) -> str:
    columns = ", ".join(f"c{place}" for place in range(width))
    return f"WITH q({columns}) AS (\n{query}\n)"
