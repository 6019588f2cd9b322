"""Plain: Arrow IPC streams and Parquet files out of a request, with every size looked at first.

Arrow trusts what a stream says of itself: compressed buffers name their own size, dictionaries
and views repeat one value at no cost. So the messages are looked at before they are read, offsets
and UTF-8 are validated, and what would grow beyond a cap is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.errors import InvalidField, MalformedBody
from registry.signature.names import shown
from serving.protocols.ipc_messages import MalformedMessage, decompressed_bytes

# A body may grow to this many times its cap: numbers that are stored well grow about tenfold.
GROWTH_MAX = 8
PARQUET_BATCH_ROWS = 1 << 14
# Looked at no further: asking a type all the questions below takes longer than reading its column.
_PLAIN = frozenset({pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.bool_(), pa.string()})


def read_arrow_stream(body: bytes, *, max_bytes: int, max_rows: int) -> pa.Table:
    """The table of an Arrow IPC stream; ``max_bytes`` is the cap of the body itself.

    Raises MalformedBody for what is no such stream, InvalidField for too many rows or bytes, and
    for a column type that is not read here.
    """
    allowed = max_bytes * GROWTH_MAX
    try:
        if decompressed_bytes(body) > allowed:
            raise _too_wide(allowed)
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            return _collected(reader.schema, iter(reader), allowed, max_rows)
    except (MalformedMessage, pa.ArrowException, OSError, ValueError, OverflowError):
        raise MalformedBody("The body is not a well-formed Arrow IPC stream.") from None


def read_parquet(body: bytes, *, max_bytes: int, max_rows: int) -> pa.Table:
    """The table of a Parquet file; see ``read_arrow_stream``."""
    try:
        with pq.ParquetFile(io.BytesIO(body), pre_buffer=False) as file:
            if file.metadata.num_rows > max_rows:
                raise _too_many_rows(max_rows)
            batches = file.iter_batches(PARQUET_BATCH_ROWS, use_threads=False)
            return _collected(file.schema_arrow, batches, max_bytes * GROWTH_MAX, max_rows)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
        raise MalformedBody("The body is not a well-formed Parquet file.") from None


def _collected(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], allowed: int, max_rows: int
) -> pa.Table:
    for field in schema:
        _check_type(field.name, field.type)
    kept, rows = [], 0
    for batch in batches:
        batch.validate(full=True)
        rows += batch.num_rows
        allowed -= batch.nbytes + sum(_repeated_bytes(column) for column in batch.columns)
        if rows > max_rows:
            raise _too_many_rows(max_rows)
        if allowed < 0:
            raise _too_wide(allowed)
        kept.append(batch)
    return pa.Table.from_batches(kept, schema)


def _check_type(name: str, kind: pa.DataType) -> None:
    """Refuse types that repeat values at no cost and that nothing here needs."""
    if kind in _PLAIN:
        return
    types = pa.types
    views = types.is_list_view(kind) or types.is_large_list_view(kind)
    if views or types.is_run_end_encoded(kind) or types.is_union(kind):
        raise InvalidField(
            f"The column `{shown(name)}` has the Arrow type {str(kind)[:80]}, which is not read "
            "here.",
            pointer="",
        )
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(name, kind.storage_type)
    elif types.is_dictionary(kind):
        _check_type(name, kind.value_type)
    elif types.is_nested(kind):
        for index in range(kind.num_fields):
            inner = kind.field(index).type
            if types.is_null(inner) or types.is_dictionary(inner):
                raise InvalidField(
                    f"The column `{shown(name)}` holds {str(inner)[:80]} inside of a list, which "
                    "is not read here.",
                    pointer="",
                )
            _check_type(name, inner)


def _repeated_bytes(column: pa.Array) -> int:
    """How many bytes the column's texts take once dictionaries and views are undone."""
    if column.type in _PLAIN:
        return _text_bytes(column) if column.type == pa.string() else 0
    if isinstance(column, pa.ExtensionArray):
        return _repeated_bytes(column.storage)
    if pa.types.is_dictionary(column.type):
        values = column.dictionary
        if not _is_text(values.type):
            return len(column) * 8
        lengths = pc.take(_lengths(values), column.indices)
        return int(pc.sum(lengths).as_py() or 0)
    return int(pc.sum(_lengths(column)).as_py() or 0) if _is_text(column.type) else 0


def _text_bytes(texts: pa.Array) -> int:
    """From the first offset to the last: they were validated, so that none goes backwards."""
    offsets = texts.buffers()[1]
    if offsets is None or not len(texts):
        return 0
    found = np.frombuffer(offsets, dtype="<i4")[texts.offset : texts.offset + len(texts) + 1]
    return int(found[-1]) - int(found[0])


def _lengths(texts: pa.Array) -> pa.Array:
    """Bytes of each text, as int64."""
    if pa.types.is_string_view(texts.type) or pa.types.is_binary_view(texts.type):
        return _view_lengths(texts)
    return pc.binary_length(texts).cast(pa.int64())


def _view_lengths(texts: pa.Array) -> pa.Array:
    """Each view is 16 bytes that begin with the length as an int32; that of a null says nothing."""
    views = texts.buffers()[1]
    if views is None:
        return pa.array([], pa.int64())
    lengths = np.frombuffer(views, dtype="<i4")[::4][texts.offset : texts.offset + len(texts)]
    nulls = texts.is_null().to_numpy(zero_copy_only=False)
    return pa.array(lengths.astype(np.int64), mask=nulls)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )


def _too_many_rows(max_rows: int) -> InvalidField:
    text = f"A request may have {max_rows} rows at most; a batch job takes any number."
    return InvalidField(text, pointer="")


def _too_wide(allowed: int) -> InvalidField:
    del allowed
    return InvalidField(
        "Unpacked, the body is too large for one request; a batch job takes any size.", pointer=""
    )
