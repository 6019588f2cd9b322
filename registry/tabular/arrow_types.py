"""Plain: Arrow types to the types of our dtype table, without loss, or the reason why not.

Kept as they are: boolean, integers, floats, string, date, times with a zone. Undone: dictionary,
large and view strings. Widened: float16 to float32, decimals to the number that prints the same,
a column of nulls to float64. Refused: times without a zone, nested types, binary and the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from registry.signature.dtypes import DTYPES
from registry.signature.names import shown
from registry.signature.types import Column
from registry.tabular.errors import TabularError

_KEPT = {dtype.arrow: dtype.key for dtype in DTYPES.values()}
# A decimal of so many digits is told from its neighbours by the nearest float64.
FLOAT_DIGITS = 15
INT64_DIGITS = 18


def column_of(field: pa.Field) -> Column:
    """The column that an Arrow field becomes, nullable for now.

    Raises TabularError naming the column and its type where nothing here keeps it.
    """
    return Column(field.name, _key(field.type, field.name), nullable=True)


def _key(kind: pa.DataType, name: str) -> str:
    kind = _plain(kind)
    if kind in _KEPT:
        return _KEPT[kind]
    types = pa.types
    if types.is_timestamp(kind):
        if kind.tz is None:
            raise _refused("no-offset", name, kind, "has times without an offset from UTC")
        return "datetime"
    if types.is_null(kind):
        return "float64"
    if types.is_float16(kind):
        return "float32"
    if types.is_large_string(kind) or types.is_string_view(kind):
        return "string"
    if types.is_date(kind):
        return "date"
    if types.is_decimal(kind):
        return _decimal(kind, name)
    if types.is_nested(kind):
        raise _refused("nested-values", name, kind, "holds nested values")
    raise _refused("type-not-supported", name, kind, "has a type that is not kept here")


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without encodings and extensions."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _decimal(kind: pa.DataType, name: str) -> str:
    if kind.scale <= 0 and kind.precision - kind.scale <= INT64_DIGITS:
        return "int64"
    if kind.precision <= FLOAT_DIGITS:
        return "float64"
    raise _refused("loses-precision", name, kind, "has more digits than a number keeps")


def _refused(reason: str, name: str, kind: pa.DataType, what: str) -> TabularError:
    found = f"The column `{shown(name)}` {what} (Arrow type {str(kind)[:80]})"
    return TabularError(reason, found, line=None, column=name)


def undecimal(array: pa.Array) -> pa.Array:
    """A decimal array as int64 or float64 by way of its digits; any other array as it is."""
    kind = array.type
    if not pa.types.is_decimal(kind):
        return array
    if kind.scale <= 0:
        return array.cast(pa.decimal128(38, 0)).cast(pa.int64())
    # Arrow's own cast rounds in two steps; text to float is exact.
    return array.cast(pa.string()).cast(pa.float64())


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of typed batches; every field may be null here."""
    return pa.schema([(column.name, column.arrow) for column in columns])
