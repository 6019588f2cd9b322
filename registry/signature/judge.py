"""Plain: one cell of one column: null, type, shape, enum and range, to a value or a refusal."""

from __future__ import annotations

from typing import Any

from registry.errors import received_text
from registry.signature.cells import CellRefused, is_null, read_scalar, received, scalar_json
from registry.signature.types import Column

ENUM_SHOWN = 8


class Missing:
    """The type of ``MISSING``."""


MISSING = Missing()  # stands where a row has no such member


def read_cell(value: Any, column: Column) -> Any:
    """``value`` as a plain value of the column, None where null is allowed.

    A tensor comes back as nested lists. Raises CellRefused.
    """
    if value is MISSING or is_null(value):
        if column.nullable:
            return None
        raise CellRefused("missing" if value is MISSING else "null-not-allowed")
    if column.shape is None:
        return _allowed(read_scalar(value, column.dtype), column)
    return _tensor(value, column, list(column.shape), 0)


def expected_text(refused: CellRefused, column: Column) -> str:
    """What the cell should have been, in a few words."""
    if refused.code == "not-in-enum":
        return _enum_text(column)
    return refused.expected or column.type_text


def cell_text(value: Any) -> str | None:
    """At most 40 characters of the cell; None when there was no cell."""
    return None if value is MISSING else received(value)


def _allowed(value: Any, column: Column) -> Any:
    if column.enum is not None and value not in column.enum:
        raise CellRefused("not-in-enum")
    below = column.min is not None and value < column.min
    above = column.max is not None and value > column.max
    if below or above:
        raise CellRefused("out-of-range", _range_text(column))
    return value


def _tensor(value: Any, column: Column, dims: list[int], depth: int) -> list[Any]:
    """The nested list checked; a free dimension takes the first length met in this cell."""
    if not isinstance(value, list):
        raise CellRefused("wrong-shape")
    if dims[depth] == -1:
        dims[depth] = len(value)
    if len(value) != dims[depth]:
        raise CellRefused("wrong-shape")
    if depth + 1 < len(dims):
        return [_tensor(part, column, dims, depth + 1) for part in value]
    return [_element(part, column) for part in value]


def _element(value: Any, column: Column) -> Any:
    if isinstance(value, list):
        raise CellRefused("wrong-shape")
    if is_null(value):
        raise CellRefused("null-not-allowed")
    return _allowed(read_scalar(value, column.dtype), column)


def _enum_text(column: Column) -> str:
    values = column.enum or ()
    texts = [received_text(scalar_json(v, column.dtype)) for v in values[:ENUM_SHOWN]]
    more = f", ... ({len(values)} values)" if len(values) > ENUM_SHOWN else ""
    return f"one of {', '.join(texts)}{more}"


def _range_text(column: Column) -> str:
    low, high = (
        None if bound is None else scalar_json(bound, column.dtype)
        for bound in (column.min, column.max)
    )
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"
