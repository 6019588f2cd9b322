"""Plain: CSV (RFC 4180) to batches of text columns by ``pyarrow.csv``, and from these to types.

Every column is read as text first: only so ``""`` and an empty cell, ``007`` and 7 stay apart.
Where anything is wrong, ``csv_exact`` reads the file again to name the physical lines.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import chain, islice

import pyarrow as pa
import pyarrow.csv as arrow_csv

from registry.signature.names import nearest, shown
from registry.signature.types import Column
from registry.tabular.ahead import ahead
from registry.tabular.csv_exact import (
    CsvFile,
    Record,
    ragged_problems,
    records,
    rows_of,
)
from registry.tabular.errors import TabularError
from registry.tabular.source import TextStream, open_text
from registry.tabular.text_columns import parse_column
from registry.tabular.text_types import TypeFinder

COLUMNS_MAX = 4096
# A record of this length is always read, one of twice the length never.
BLOCK_BYTES = 4 << 20


class Widened(Exception):
    """A later row does not fit the type that the first rows of its column suggested."""


def read_header(source: CsvFile) -> tuple[str, ...]:
    """The column names of the first line; raises TabularError where it is none."""
    lines = source.lines()
    first = next(records(lines, keep_empty=True), None)
    if first is None:
        raise TabularError("empty-file", "The file is empty", line=1, column=None)
    _check_header(first)
    return tuple(cell or "" for cell in first.cells)


def _check_header(first: Record) -> None:
    cells = first.cells
    if cells == [None]:
        raise TabularError("no-header", "The first line is empty", line=1, column=None)
    check_width(len(cells))
    if len(cells) == 1 and any(mark in (cells[0] or "") for mark in ";\t"):
        found = "The header has no comma, but other separators: only commas separate columns here"
        raise TabularError("no-header", found, line=1, column=None)
    check_names(cells, line=1)
    if all(_is_number(cell) for cell in cells) and not all((c or "").isdigit() for c in cells):
        found = "The first line holds only numbers, so it is data and no header"
        raise TabularError("no-header", found, line=1, column=None)


def check_width(width: int) -> None:
    """Raise TabularError when there are more columns than are read."""
    if width > COLUMNS_MAX:
        found = f"There are {width} columns; at most {COLUMNS_MAX} are read"
        raise TabularError("too-large", found, line=None, column=None)


def check_names(names: Sequence[str | None], *, line: int | None = None) -> None:
    """Raise TabularError unless every column has a name of its own."""
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name:
            found = f"Column {place} of {len(names)} has no name"
            raise TabularError("empty-column-name", found, line=line, column=None, place=place)
        if name in seen:
            found = f"The column name `{shown(name)}` stands there twice"
            raise TabularError("duplicate-column", found, line=line, column=name, place=place)
        seen.add(name)


def _is_number(cell: str | None) -> bool:
    try:
        float(cell or "x")
    except ValueError:
        return False
    return True


def match_columns(names: Sequence[str], columns: Sequence[Column]) -> None:
    """Raise TabularError unless the file has the declared columns and no other, in any order.

    A nullable column may be absent: all its rows are null then.
    """
    declared = [column.name for column in columns]
    unknown = next((name for name in names if name not in set(declared)), None)
    if unknown is not None:
        near = nearest(unknown, declared)
        found = f"There is no column `{shown(unknown)}`; the nearest is `{shown(near or '')}`"
        raise TabularError("unknown-column", found, line=1, column=unknown)
    for column in columns:
        if column.name not in names and not column.nullable:
            found = f"The column `{shown(column.name)}` is not in the file"
            raise TabularError("missing-column", found, line=1, column=column.name)


def text_batches(source: CsvFile, names: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
    """Every cell as text, null where it was empty and not quoted, in batches of about one block.

    Raises TabularError that names the physical lines of ragged rows, of bytes that are not
    UTF-8 or of a quote that is never closed.
    """
    stream = open_text(source.file, is_gzip=source.is_gzip, max_bytes=source.max_bytes)
    try:
        yield from _arrow_batches(stream, names)
    except pa.ArrowInvalid as fault:
        if _has_rows(source, len(names)):
            raise _named(source, tuple(names), str(fault)) from None
    except TabularError as refused:
        if refused.reason != "bad-encoding":
            raise
        raise _named(source, tuple(names), str(refused)) from None
    else:
        # Arrow closes an open quote at the end of the file by itself, silently.
        if stream.quotes % 2:
            ragged_problems(source, tuple(names))


def _arrow_batches(stream: TextStream, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    finally:
        stream.end()


def _has_rows(source: CsvFile, width: int) -> bool:
    found = records(source.lines(), keep_empty=width == 1)
    next(found, None)
    return next(found, None) is not None


def _named(source: CsvFile, names: tuple[str, ...], fault: str) -> TabularError:
    """What an exact reading finds wrong, as the error to raise."""
    try:
        problems, count = ragged_problems(source, names)
    except TabularError as refused:
        return refused
    if not count and "straddl" in fault:
        return _too_long(source, len(names))
    if not count:
        return TabularError("malformed-file", f"The CSV file cannot be read: {fault[:200]}")
    found = f"{count} {'line has' if count == 1 else 'lines have'} another number of fields"
    return TabularError("ragged-rows", found, problems=problems, count=count)


def _too_long(source: CsvFile, width: int) -> TabularError:
    longest = max(
        rows_of(source, width), key=lambda pair: sum(map(len, filter(None, pair[1].cells)))
    )
    line = longest[1].line
    found = f"The record that begins on line {line} is longer than {BLOCK_BYTES >> 20} MiB"
    return TabularError("record-too-long", found, line=line, column=None)


def find_columns(source: CsvFile, names: Sequence[str]) -> tuple[Column, ...]:
    """Names and types of all columns, from every row; nullable where a row has null."""
    finders = [TypeFinder() for _ in names]
    for batch in text_batches(source, names):
        for finder, text in zip(finders, batch.columns, strict=True):
            finder.add(text)
    return _found(names, finders)


def _found(names: Sequence[str], finders: Sequence[TypeFinder]) -> tuple[Column, ...]:
    pairs = zip(names, finders, strict=True)
    return tuple(Column(name, finder.found(), finder.has_nulls) for name, finder in pairs)


def guessed_batches(
    source: CsvFile, names: Sequence[str]
) -> tuple[tuple[Column, ...], Generator[pa.RecordBatch, None, None]]:
    """Types as the first batch tells them, and all batches typed so.

    The batches raise Widened where a later row does not fit; otherwise the types are those that
    ``find_columns`` would have found.
    """
    batches = text_batches(source, names)
    finders = [TypeFinder() for _ in names]
    first = list(islice(batches, 1))
    for batch in first:
        for finder, text in zip(finders, batch.columns, strict=True):
            finder.add(text)
    columns = _found(names, finders)
    return columns, _typed((batch for batch in chain(first, batches)), columns)


def inferred_batches(
    source: CsvFile, columns: Sequence[Column]
) -> Generator[pa.RecordBatch, None, None]:
    """Typed batches by types that were found."""
    return _typed(text_batches(source, [column.name for column in columns]), columns)


def _typed(
    batches: Generator[pa.RecordBatch, None, None], columns: Sequence[Column]
) -> Generator[pa.RecordBatch, None, None]:
    """Batches typed while the next ones are split into cells: each takes about as long."""
    schema = pa.schema([(column.name, column.arrow) for column in columns])
    with ahead(batches) as split:
        for batch in split:
            arrays = [_kept(text, c) for text, c in zip(batch.columns, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _kept(text: pa.StringArray, column: Column) -> pa.Array:
    parsed = parse_column(text, column.dtype, inferring=True)
    if parsed is None or (column.dtype.kind == "integer" and parsed.null_count):
        raise Widened(column.name)
    return parsed
