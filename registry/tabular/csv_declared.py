"""Plain: CSV text to the declared types of its columns, cell by cell where one does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import pyarrow as pa

from registry import strict_json
from registry.errors import DomainError
from registry.signature.cells import CellRefused
from registry.signature.judge import read_cell
from registry.signature.types import Column
from registry.tabular.collect import Problems, bad_rows, loosened
from registry.tabular.csv_exact import CsvFile, lines_of, rows_of
from registry.tabular.csv_read import read_header, text_batches
from registry.tabular.text_cells import read_text, untyped_value
from registry.tabular.text_columns import parse_column

TENSOR_CELL_BYTES = 1 << 20
# What stands in the column instead of a refused cell: (row, place, column, why, cell).
Refuse = Callable[[int, int, Column, CellRefused, str], Any]


def declared_batches(source: CsvFile, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Batches in declared order and types; nulls are taken in every column, absent ones are null.

    Raises TabularError ``bad-rows`` at the end when any cell does not fit, with all cells counted
    and the first hundred named; what was yielded before is to be thrown away then.
    """
    names = read_header(source)
    schema = pa.schema([(column.name, column.arrow) for column in columns])
    problems, at = Problems(), 0
    for batch in text_batches(source, names):
        arrays = [
            _array(batch, column, place, at, problems.add) for place, column in enumerate(columns)
        ]
        at += batch.num_rows
        if not problems.count:
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    if problems.count:
        lines = lines_of(source, len(names), problems.rows())
        raise bad_rows(problems, lines)


def _array(batch: pa.RecordBatch, column: Column, place: int, at: int, refuse: Refuse) -> pa.Array:
    if column.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, column.arrow)
    cells = typed_cells(batch.column(column.name), column, place, at, refuse)
    return cells if isinstance(cells, pa.Array) else pa.array(cells, column.arrow)


def typed_cells(
    text: pa.StringArray, column: Column, place: int, at: int, refuse: Refuse
) -> pa.Array | list[Any]:
    """The column typed at once, or as a list with what ``refuse`` gives for cells that do not fit.

    ``at`` is the row number of the first cell.
    """
    if column.shape is None:
        parsed = parse_column(text, column.dtype, inferring=False)
        if parsed is not None:
            return parsed
    return [
        None if cell is None else _cell(cell, column, place, at + index, refuse)
        for index, cell in enumerate(text.to_pylist())
    ]


def _cell(cell: str, column: Column, place: int, row: int, refuse: Refuse) -> Any:
    try:
        if column.shape is not None:
            return read_cell(_nested(cell), loosened(column))
        return read_text(cell, column.dtype)
    except CellRefused as refused:
        return refuse(row, place, column, refused, cell)


def _nested(cell: str) -> Any:
    """A tensor's cell: nested lists as JSON."""
    try:
        return strict_json.loads(cell.encode(), max_bytes=TENSOR_CELL_BYTES)
    except DomainError:
        raise CellRefused("wrong-shape", "nested lists as JSON") from None


@dataclass(frozen=True)
class CsvCells:
    """CSV text ready for ``validate_columns``: by name, typed where all cells of a column fit.

    A column with a cell that does not fit is a list, with the number or the text of that cell in
    its place. Columns that are not declared are kept as texts. ``lines`` are the physical lines of
    the rows; they are looked for when the first is asked for.
    """

    columns: dict[str, pa.Array | list[Any]]
    n_rows: int
    lines: Sequence[int]


class PhysicalLines(Sequence[int]):
    """The physical line of each row, found by an exact reading when first needed."""

    def __init__(self, source: CsvFile, width: int, n_rows: int) -> None:
        self._source, self._width, self._n_rows = source, width, n_rows

    @cached_property
    def _lines(self) -> list[int]:
        return [record.line for _, record in rows_of(self._source, self._width)]

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, row: Any) -> Any:
        return self._lines[row]


def read_csv_cells(file: BinaryIO, columns: Sequence[Column], *, max_bytes: int) -> CsvCells:
    """All rows of CSV with a header, for scoring: cells that do not fit are left to the validator.

    Raises TabularError where the text as a whole cannot be read: header, encoding, ragged rows.
    """
    source = CsvFile(file, is_gzip=False, max_bytes=max_bytes)
    names = read_header(source)
    batches = list(text_batches(source, names))
    table = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in names]))
    table = table.combine_chunks()
    declared = {column.name: column for column in columns}
    found: dict[str, pa.Array | list[Any]] = {}
    for name in names:
        text = _only_chunk(table.column(name))
        known = declared.get(name)
        found[name] = text if known is None else typed_cells(text, known, 0, 0, _as_sent)
    return CsvCells(found, table.num_rows, PhysicalLines(source, len(names), table.num_rows))


def _only_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _as_sent(row: int, place: int, column: Column, refused: CellRefused, cell: str) -> Any:
    """The refused cell as the value that the validator will refuse with the same code."""
    del row, place, refused
    if column.shape is None:
        return untyped_value(cell, column.dtype)
    try:
        return _nested(cell)
    except CellRefused:
        return cell
