"""Plain: typed batches to streams of bytes: CSV (RFC 4180), JSON Lines, Parquet, Arrow IPC.

What the readers read back is what was written: floats in their shortest exact form, times as
RFC 3339 in UTC, null apart from the empty text. NaN and Infinity are written as null everywhere:
an answer never holds them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.signature.convert import plain
from registry.strict_json import dumps
from registry.tabular.grouping import ROW_GROUP_ROWS, regrouped

JSONL_ROWS = 4096
LINE_END = "\r\n"
_NEEDS_QUOTES = r'[",\r\n]|^$'
# What a spreadsheet takes for a formula at the beginning of a text.
_FORMULA = r"^[=+\-@\t\r]"
_NO_FRACTION = r"^-?\d+$"


def csv_chunks(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    header: bool = True,
    safe: bool = False,
    line_end: str = LINE_END,
) -> Iterator[bytes]:
    """CSV in UTF-8, one chunk per batch: null is an empty field, the empty text is ``""``.

    Lists are written as JSON. ``safe`` puts an apostrophe before texts that a spreadsheet would
    take for a formula, names included; numbers stay as they are.
    """
    if header:
        names = _quoted(_cells(pa.array(schema.names, pa.string()), safe=safe))
        yield (",".join(names.to_pylist()) + line_end).encode()
    for batch in batches:
        if batch.num_rows and batch.num_columns:
            fields = [_field(column, safe=safe) for column in batch.columns]
            lines = fields[0] if len(fields) == 1 else pc.binary_join_element_wise(*fields, ",")
            yield _joined(lines, line_end)


def _joined(lines: pa.StringArray, line_end: str) -> bytes:
    whole = pa.LargeListArray.from_arrays([0, len(lines)], lines.cast(pa.large_string()))
    between = pa.scalar(line_end, pa.large_string())
    text: bytes = pc.binary_join(whole, between)[0].as_buffer().to_pybytes()
    return text + line_end.encode()


def _field(column: pa.Array, *, safe: bool) -> pa.StringArray:
    column = finite_or_null(plain(column))
    if _is_text(column.type):
        return _quoted(_cells(column, safe=safe)).fill_null("")
    if pa.types.is_nested(column.type):
        return _quoted(json_texts(column)).fill_null("")
    return _spelled(column).fill_null("")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind))


def _cells(texts: pa.StringArray, *, safe: bool) -> pa.StringArray:
    if not safe:
        return texts
    risky = pc.match_substring_regex(texts, _FORMULA)
    return pc.if_else(risky, pc.binary_join_element_wise("'", texts, ""), texts)


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    special = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(special).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def _spelled(column: pa.Array) -> pa.StringArray:
    """Numbers, booleans and times as texts that read back to the same value."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return rfc3339(column)
    texts = column.cast(pa.string())
    if not pa.types.is_floating(kind):
        return texts
    # Arrow writes 1.0 as 1, which would read back as an integer.
    whole = pc.match_substring_regex(texts, _NO_FRACTION)
    if not pc.any(whole).as_py():
        return texts
    return pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)


def rfc3339(moments: pa.Array) -> pa.StringArray:
    """Times in UTC as ``2026-01-31T12:00:00Z``, with six digits of fraction where there are any."""
    texts = moments.cast(pa.timestamp("us", "UTC")).cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return pc.replace_substring_regex(texts, r"\.000000Z$", "Z")


def json_texts(column: pa.Array) -> pa.StringArray:
    """Each cell as JSON, null where it is null."""
    cells = (None if cell is None else dumps(cell).decode() for cell in column.to_pylist())
    return pa.array(list(cells), pa.string())


def finite_or_null(column: pa.Array) -> pa.Array:
    """NaN and Infinity as null; any other column, and one without them, as it is."""
    if not pa.types.is_floating(column.type):
        return column
    values = column.fill_null(0) if column.null_count else column
    finite = np.isfinite(values.to_numpy(zero_copy_only=False))
    if finite.all():
        return column
    return pc.if_else(pa.array(finite), column, pa.scalar(None, column.type))


def jsonl_chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    """JSON Lines in UTF-8, every row with every member, null included."""
    names = schema.names
    for batch in batches:
        for start in range(0, batch.num_rows, JSONL_ROWS):
            part = batch.slice(start, JSONL_ROWS)
            columns = [_json_values(column) for column in part.columns]
            rows = zip(*columns, strict=True)
            yield b"".join(
                line for row in rows for line in (dumps(dict(zip(names, row, strict=True))), b"\n")
            )


def _json_values(column: pa.Array) -> list[object]:
    column = finite_or_null(plain(column))
    if pa.types.is_timestamp(column.type):
        column = rfc3339(column)
    elif pa.types.is_date(column.type):
        column = column.cast(pa.string())
    elif pa.types.is_float32(column.type):
        # 0.1 and not 0.10000000149011612: the shortest text of the float32.
        column = column.cast(pa.string()).cast(pa.float64())
    values: list[object] = column.to_pylist()
    return values


class _Drain(io.RawIOBase):
    """A sink that hands over what was written since the last time."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        chunk = bytes(part)  # type: ignore[call-overload]  # Arrow hands over a buffer
        self._parts.append(chunk)
        return len(chunk)

    def take(self) -> bytes:
        chunk = b"".join(self._parts)
        self._parts.clear()
        return chunk


def parquet_writer(sink: object, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer whose bytes depend on schema and rows alone: nothing of time or place in them.

    Floats are neither compressed nor put into dictionaries: that would save little of them and
    cost half of the time.
    """
    coded = [f.name for f in schema if not pa.types.is_floating(f.type)]
    return pq.ParquetWriter(
        sink,
        schema,
        version="2.6",
        compression={field.name: "snappy" if field.name in coded else "none" for field in schema},
        use_dictionary=[name for name in coded if _is_text(schema.field(name).type)],
        write_statistics=True,
        store_schema=True,
    )


def parquet_chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    """Parquet with the row groups of ``grouping``, one chunk per row group."""
    sink = _Drain()
    with parquet_writer(sink, schema) as writer:
        for table in regrouped(_finite(batches, schema), schema):
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            yield sink.take()
    yield sink.take()


def arrow_chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    """An Arrow IPC stream, one chunk per batch."""
    sink = _Drain()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in _finite(batches, schema):
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _finite(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        arrays = [finite_or_null(column) for column in batch.columns]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _written(chunks: Callable[..., Iterator[bytes]]) -> Callable[..., None]:
    def write(
        batches: Iterable[pa.RecordBatch], out: BinaryIO, *, schema: pa.Schema, **options: bool
    ) -> None:
        for chunk in chunks(batches, schema, **options):
            out.write(chunk)

    return write


write_csv = _written(csv_chunks)
write_jsonl = _written(jsonl_chunks)
write_parquet = _written(parquet_chunks)
write_arrow = _written(arrow_chunks)
