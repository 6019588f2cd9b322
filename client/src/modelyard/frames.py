"""Tables of pandas and Arrow -> Arrow columns of the types that the service knows.

A DataFrame's index is never a column: what should be scored or kept must be in a column, and
answers come back under the same index. What cannot be said without guessing is refused here, by
the column's name, before anything is sent.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from modelyard.cells import NAIVE
from modelyard.errors import UsageError
from modelyard.optional import is_arrow, is_frame, is_series, need

_SHORT_TEXT_BYTES = 2**31  # beyond, Arrow's plain string type cannot count its own bytes


def has_no_names(frame: Any) -> bool:
    """Whether a DataFrame's columns are only counted (0, 1, 2, ...), as of ``DataFrame(array)``."""
    return list(frame.columns) == list(range(frame.shape[1])) and frame.shape[1] > 0


def checked_names(frame: Any) -> list[str]:
    """The column names of a DataFrame. UsageError for twice the same, levels, and non-texts."""
    names = list(frame.columns)
    strangers = [name for name in names if not isinstance(name, str)]
    if strangers:
        raise UsageError(
            f"Column names must be texts; {strangers[0]!r} is not. "
            "Set frame.columns to a list of texts."
        )
    _check_once(names)
    return [str(name) for name in names]


def _check_once(names: Sequence[str]) -> None:
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    if count > 1:
        raise UsageError(f"The column {name!r} stands in the table more than once.")


def arrow_table(rows: Any, *, keep_categories: bool = False) -> Any:
    """A ``pyarrow.Table`` of a DataFrame, a Series or anything that speaks Arrow's C interface.

    Missing values are null, times are in UTC with microseconds, categories are their values
    unless kept. UsageError names the column that cannot be sent, and why.
    """
    pa = need("pyarrow", "Sending a table")
    if is_series(rows):
        rows = rows.to_frame(name=rows.name if isinstance(rows.name, str) else "x0")
    if is_frame(rows):
        names = checked_names(rows)
        columns = [_from_pandas(pa, name, rows[name]) for name in names]
    else:
        table = _from_arrow(pa, rows)
        names, columns = list(table.column_names), list(table.columns)
        _check_once(names)
    kept = [_known_type(pa, n, c, keep_categories) for n, c in zip(names, columns, strict=True)]
    return pa.table(kept, names=names)


def ipc_stream(table: Any) -> bytes:
    """The table as an Arrow IPC stream (``application/vnd.apache.arrow.stream``)."""
    ipc = need("pyarrow.ipc", "Sending a table")
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet_bytes(table: Any) -> bytes:
    """The table as Parquet, which keeps every type."""
    sink = io.BytesIO()
    need("pyarrow.parquet", "Writing Parquet").write_table(table, sink)
    return sink.getvalue()


def _from_arrow(pa: Any, rows: Any) -> Any:
    if not is_arrow(rows):
        raise UsageError(f"{type(rows).__qualname__} is no table.")
    return pa.table(rows)


def _from_pandas(pa: Any, name: str, series: Any) -> Any:
    """One pandas column as an Arrow array, NaN as null."""
    if hasattr(series.dtype, "fill_value"):  # a sparse column
        series = series.sparse.to_dense()
    if str(series.dtype) == "float16":
        series = series.astype("float32")
    try:
        array = pa.array(series, from_pandas=True)
        return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    except (pa.ArrowException, OverflowError) as exc:
        return _from_objects(pa, name, series, exc)


def _from_objects(pa: Any, name: str, series: Any, first: Exception) -> Any:
    """A column of arrays, as of a tensor, cell by cell; else the refusal with its reason."""
    cells = [c.tolist() if hasattr(c, "tolist") else c for c in series]
    try:
        return pa.chunked_array([pa.array(cells, from_pandas=True)])
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        reason = str(first).split("\n", maxsplit=1)[0].rstrip(".")
        raise UsageError(f"The column {name!r} has no one type: {reason}.") from first


def _known_type(pa: Any, name: str, column: Any, keep_categories: bool) -> Any:
    """The column in a type of the contract, or a refusal."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if keep_categories and _is_text(pa, kind.value_type):
            return column.cast(pa.dictionary(kind.index_type, pa.string()))
        return _known_type(pa, name, column.cast(kind.value_type), keep_categories)
    if pa.types.is_timestamp(kind):
        return _in_utc(pa, name, column)
    if pa.types.is_date64(kind):
        return column.cast(pa.date32())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if _is_text(pa, kind):
        is_long = column.nbytes >= _SHORT_TEXT_BYTES
        return column.cast(pa.large_string() if is_long else pa.string())
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        _known_type(pa, name, pa.chunked_array([pa.array([], kind.value_type)]), False)
        return column
    if not _is_plain(pa, kind):
        raise UsageError(
            f"The column {name!r} is of the type {kind}, which the service does not know. "
            "Turn it into numbers, texts, booleans, dates or times."
        )
    return column


def _is_plain(pa: Any, kind: Any) -> bool:
    t = pa.types
    tests = (t.is_boolean, t.is_integer, t.is_floating, t.is_date32, t.is_null)
    return any(test(kind) for test in tests) or _is_text(pa, kind)


def _is_text(pa: Any, kind: Any) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def _in_utc(pa: Any, name: str, column: Any) -> Any:
    if column.type.tz is None:
        raise UsageError(f"The column {name!r} holds {NAIVE}.")
    try:
        return column.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid as exc:
        raise UsageError(
            f"The column {name!r} holds times finer than a microsecond, which would be cut off. "
            f"Round them, as in dt.round('us')."
        ) from exc
