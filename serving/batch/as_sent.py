"""Plain: columns of a CSV dataset as they were sent, where the dataset's own guess is not ours.

A CSV file has no types. The dataset's are found from its own cells: postal codes look like
integers there, one stray word makes a column of numbers a column of texts, and ``0`` and ``1`` are
integers. The same file sent to be scored would be read by the model's signature; so it is here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from registry.signature.cells import CellRefused
from registry.signature.rows import Cells
from registry.signature.types import Column, Signature
from registry.tabular.text_cells import read_text
from registry.tabular.text_columns import parse_column

FORMATS = ("csv", "csv.gz")


def as_sent(inputs: pa.Table, signature: Signature) -> dict[str, Cells]:
    """The columns by name, for the validator.

    A cell that does not fit its column stays the text that it was, so that it can be named.
    """
    columns = {column.name: column for column in signature.inputs}
    return {
        name: _cells(cells.combine_chunks(), columns[name])
        for name, cells in zip(inputs.column_names, inputs.columns, strict=True)
    }


def _cells(cells: pa.Array, column: Column) -> Cells:
    if column.shape is not None or not _was_guessed(cells.type, column):
        return cells
    text = cells.cast(pa.string())
    if column.dtype.kind == "string":
        return text
    parsed = parse_column(text, column.dtype, inferring=False)
    if parsed is not None:
        return parsed
    return [None if cell is None else _cell(cell, column) for cell in text.to_pylist()]


def _was_guessed(found: pa.DataType, column: Column) -> bool:
    """Whether the text can be had back, and means something else to the model.

    Of a float it cannot: ``1.50`` and ``1.5`` are the same number.
    """
    if pa.types.is_string(found):
        return column.dtype.kind != "string"
    is_exact = pa.types.is_integer(found) or pa.types.is_boolean(found) or pa.types.is_date(found)
    return is_exact and column.dtype.kind in ("string", "boolean") and found != column.dtype.arrow


def _cell(cell: str, column: Column) -> Any:
    try:
        return read_text(cell, column.dtype)
    except CellRefused:
        return cell
