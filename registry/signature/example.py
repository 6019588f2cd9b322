"""Plain: what the example rows show of each column: its type, whether values are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import CheckRefused
from registry.signature.convert import plain
from registry.signature.dtypes import DTYPES
from registry.signature.names import shown

_BY_ARROW = {str(dtype.arrow): key for key, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class ExampleColumn:
    """One column over all example rows.

    ``type`` is a dtype key, None when no row has a value. ``is_guessed``: the type was guessed
    from text or JSON. ``shape`` is that of a tensor column, -1 where rows differ. NaN counts as
    missing.
    """

    name: str
    type: str | None
    has_nulls: bool
    is_guessed: bool
    shape: tuple[int, ...] | None = None


def example_columns(example: pa.Table, *, typed: bool) -> dict[str, ExampleColumn]:
    """Every column of the example by name.

    Raises CheckRefused for a name that stands there twice and for a type that no column can have.
    """
    columns: dict[str, ExampleColumn] = {}
    for name, chunks in zip(example.column_names, example.columns, strict=True):
        if name in columns:
            text = f"The example has two columns named `{shown(name)}`."
            raise CheckRefused("duplicate-column", text, column=shown(name))
        array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
        columns[name] = _column(name, array, typed)
    return columns


def _column(name: str, array: pa.Array, typed: bool) -> ExampleColumn:
    array = plain(array)
    shape, leaf = _leaf(array)
    has_nulls = _has_nulls(array)
    key = _key(name, leaf) if array.null_count < len(array) and not _all_missing(leaf) else None
    if not typed and key is not None and has_nulls and DTYPES[key].kind == "integer":
        # Whole numbers with gaps: in pandas, and so in training, these were floats.
        key = "float64"
    return ExampleColumn(name, key, has_nulls, not typed, shape)


def _leaf(array: pa.Array) -> tuple[tuple[int, ...] | None, pa.Array]:
    """The shape of the column's tensors and their elements; None for a column of scalars."""
    dims: list[int] = []
    while _is_listed(array.type):
        lengths = pc.list_value_length(array.drop_null()).to_numpy(zero_copy_only=False)
        found = np.unique(lengths)
        dims.append(int(found[0]) if len(found) == 1 else -1)
        array = plain(array.drop_null().flatten())
    return (tuple(dims) if dims else None), array


def _is_listed(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _has_nulls(array: pa.Array) -> bool:
    if array.null_count:
        return True
    return bool(pa.types.is_floating(array.type) and pc.any(pc.is_nan(array)).as_py())


def _all_missing(leaf: pa.Array) -> bool:
    if leaf.null_count == len(leaf):
        return True
    # A column of nothing but NaN is how pandas writes an empty one of any type.
    return bool(pa.types.is_floating(leaf.type) and pc.all(pc.is_nan(leaf)).as_py())


def _key(name: str, leaf: pa.Array) -> str:
    """The dtype key of an Arrow type. Raises CheckRefused when there is none."""
    kind = leaf.type
    if str(kind) in _BY_ARROW:
        return _BY_ARROW[str(kind)]
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            return "datetime"
        raise CheckRefused(
            "no-offset",
            f"`{shown(name)}` holds times without an offset from UTC. Give them one before the "
            'file is written, with pandas: df[name].dt.tz_localize("UTC").',
            column=shown(name),
        )
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_decimal(kind):
        return "float64"
    raise CheckRefused(
        "type-not-supported",
        f"`{shown(name)}` is of the type {kind}, which no column can have here. The types are "
        f"{', '.join(DTYPES)}.",
        column=shown(name),
    )
