"""Plain: columns and cells as the PostgreSQL driver gives them, as types of ours.

The driver writes the name of each column's type into the metadata of its field. What it shows as a
number and is none (``oid``, ``money``) is refused by that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa

from registry.signature.convert import plain
from registry.signature.names import shown
from registry.signature.types import Column
from registry.sql.numerics import is_whole, key_of_modifier, typed_numerics
from registry.tabular.arrow_types import column_of
from registry.tabular.errors import TabularError

_TYPE, _MODIFIER = b"POSTGRESQL:type", b"POSTGRESQL:typmod"
_KEYS = {
    "bool": "boolean",
    "int2": "int16",
    "int4": "int32",
    "int8": "int64",
    "float4": "float32",
    "float8": "float64",
    "text": "string",
    "varchar": "string",
    "bpchar": "string",
    "name": "string",
    "json": "string",
    "jsonb": "string",
    "uuid": "string",
    "date": "date",
    "timestamptz": "datetime",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a query. ``key`` is None where only its cells tell: a NUMERIC without a scale."""

    name: str
    key: str | None


def fields_of(schema: pa.Schema) -> list[Field]:
    """The columns with their types. Raises TabularError naming the first that is not kept."""
    return [Field(field.name, _key(field)) for field in schema]


def _key(field: pa.Field) -> str | None:
    name = _told(field, _TYPE)
    if name == "numeric":
        modifier = _told(field, _MODIFIER)
        return key_of_modifier(int(modifier)) if modifier else None
    if name in _KEYS:
        return _KEYS[name]
    if pa.types.is_string(field.type):
        return "string"  # an enum, a domain over text
    if pa.types.is_nested(field.type) or pa.types.is_timestamp(field.type):
        return column_of(field).type
    raise TabularError(
        "type-not-supported",
        f"The column `{shown(field.name)}` is of the type {name[:60] or field.type}; the query can "
        "cast it, as in CAST(x AS text)",
        line=None,
        column=field.name,
    )


def _told(field: pa.Field, key: bytes) -> str:
    told: bytes = (field.metadata or {}).get(key, b"")
    return told.decode("utf-8", "replace")


def key_of_numerics(array: pa.Array) -> str:
    """int64 where all cells are whole numbers that it holds, else float64."""
    return "int64" if is_whole(plain(array)) else "float64"


def plain_cells(array: pa.Array, column: Column, first_row: int) -> pa.Array:
    """The cells without extension types: UUIDs as texts, NUMERIC as the column's numbers.

    Raises TabularError where a NUMERIC is not held exactly.
    """
    kind = array.type
    if getattr(kind, "extension_name", "") == "arrow.uuid":
        texts = (
            None if cell is None else str(UUID(bytes=cell)) for cell in plain(array).to_pylist()
        )
        return pa.array(list(texts), pa.string())
    if getattr(kind, "type_name", "") == "numeric" and column.dtype.is_number:
        return typed_numerics(plain(array), column.type, column.name, first_row)
    return plain(array)
