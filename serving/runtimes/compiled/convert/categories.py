"""From a cell to a number by the fitted categories: what the encoders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import (
    as_frame,
    as_matrix,
    missing_of,
    tensor_of,
    texts_of,
)
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.imputing import is_nan
from serving.runtimes.compiled.convert.values import Column, Frame, Value
from serving.runtimes.compiled.errors import NotCompiled


@dataclass(frozen=True, slots=True)
class Lookup:
    """What becomes of the cells of one column: a number per category, another for all else.

    ``missing`` is the number of the missing value, ``other`` where it is no category.
    """

    numbers: Mapping[Any, float]
    missing: float
    other: float


def lookup_of(
    column: Column, categories: np.ndarray, numbers: Sequence[float], other: float
) -> Lookup:
    """The numbers of the categories, in their order. NaN and None are the missing one.

    Raises NotCompiled where the original compares a number with a text, or the like.
    """
    _require_comparable(column, categories)
    known: dict[Any, float] = {}
    missing = other
    for category, number in zip(categories.tolist(), numbers, strict=True):
        if category is None or is_nan(category):
            if (category is None) == column.none_is_missing:
                missing = number
        elif isinstance(category, str) == column.is_text:
            known[category if column.is_text else float(category)] = number
    if column.fill is not None:
        missing = known.get(column.fill, other)
    return Lookup(known, missing, other)


def _require_comparable(column: Column, categories: np.ndarray) -> None:
    kind = categories.dtype.kind
    if column.is_text:
        fits = kind in "OU"
    else:
        fits = kind in "biuf" or (kind == "O" and column.dtype == "object")
        whole = kind in "iu" and categories.size
        if whole and np.abs(categories).max() >= 2**53:
            raise NotCompiled("large-integers", "Categories are integers beyond 2**53.")
    if not fits:
        raise NotCompiled("other-categories", "Categories are of another type than the column.")


def looked_up(builder: GraphBuilder, columns: Sequence[Column], lookups: Sequence[Lookup]) -> str:
    """DOUBLE [N, columns]: the number of each cell."""
    for column, lookup in zip(columns, lookups, strict=True):
        if lookup.numbers:
            place = (column.cells.tensor, column.cells.at)
            builder.known.setdefault(place, next(iter(lookup.numbers)))
    if len(columns) > 1 and all(column.is_text for column in columns):
        return _texts_at_once(builder, columns, lookups)
    cells = [_one(builder, c, lookup) for c, lookup in zip(columns, lookups, strict=True)]
    return cells[0] if len(cells) == 1 else str(builder.add("Concat", cells, axis=1))


def _one(builder: GraphBuilder, column: Column, lookup: Lookup) -> str:
    """DOUBLE [N, 1] of one column."""
    tensor = tensor_of(builder, column)
    if not column.is_text and column.element != "float64":
        tensor = builder.cast(tensor, "float64")
    keys: list[Any] = list(lookup.numbers)
    values = [float(number) for number in lookup.numbers.values()]
    if not column.is_text:
        keys, values = [*keys, np.nan], [*values, lookup.missing]
    if not keys:
        raise NotCompiled("no-categories", "A column has no category.")
    named: dict[str, Any] = (
        {"keys_strings": keys} if column.is_text else {"keys_tensor": np.array(keys, np.float64)}
    )
    found = builder.ml(
        "LabelEncoder",
        [tensor],
        **named,
        values_tensor=np.array(values, np.float64),
        default_tensor=np.array([lookup.other], np.float64),
    )
    if not _differs(column, lookup):
        return str(found)
    missing = builder.constant(float(lookup.missing))
    return str(builder.add("Where", [missing_of(builder, [column]), missing, found]))


def _differs(column: Column, lookup: Lookup) -> bool:
    """Whether a missing text needs more than the lookup, which finds "" in its place."""
    if column.missing is None:
        return False
    stands_for = lookup.numbers.get("", lookup.other)
    return not (stands_for == lookup.missing or (is_nan(stands_for) and is_nan(lookup.missing)))


def _texts_at_once(
    builder: GraphBuilder, columns: Sequence[Column], lookups: Sequence[Lookup]
) -> str:
    """The word's number in one vocabulary, then what that number is in each column."""
    words = sorted({word for lookup in lookups for word in lookup.numbers})
    if not words:
        raise NotCompiled("no-categories", "Columns have no category.")
    unknown, missing = len(words), len(words) + 1
    found = builder.ml(
        "LabelEncoder",
        [texts_of(builder, columns)],
        keys_strings=words,
        values_int64s=list(range(len(words))),
        default_int64=unknown,
    )
    found = _with_missing(builder, columns, lookups, str(found), missing)
    rows = [[*(k.numbers.get(w, k.other) for w in words), k.other, k.missing] for k in lookups]
    table = np.array(rows, np.float64)
    starts = np.arange(len(columns), dtype=np.int64) * table.shape[1]
    at = builder.add("Add", [found, builder.constant(starts)])
    return str(builder.add("Gather", [builder.constant(table.ravel()), at], axis=0))


def _with_missing(
    builder: GraphBuilder,
    columns: Sequence[Column],
    lookups: Sequence[Lookup],
    found: str,
    number: int,
) -> str:
    """``number`` in place of missing texts, where that makes a difference."""
    if not any(_differs(c, lookup) for c, lookup in zip(columns, lookups, strict=True)):
        return found
    nullable = [c for c in columns if c.missing]
    mask = missing_of(builder, nullable)
    if len(nullable) < len(columns):
        mask = _spread(builder, mask, [c.missing is not None for c in columns])
    return str(builder.add("Where", [mask, builder.constant(number), found]))


def _spread(builder: GraphBuilder, mask: str, is_nullable: Sequence[bool]) -> str:
    """The mask among columns of which the others are never missing."""
    never = builder.add("And", [mask, builder.constant(np.zeros((1, 1), bool))])
    count = sum(is_nullable)
    order = np.where(is_nullable, np.cumsum(is_nullable) - 1, count)
    both = builder.add("Concat", [mask, never], axis=1)
    return str(builder.add("Gather", [both, builder.constant(order.astype(np.int64))], axis=1))


def encoder_columns(builder: GraphBuilder, value: Value) -> Frame:
    """The columns as an encoder sees them, infinity refused."""
    frame = as_frame(builder, value)
    numbers = [c for c in frame.columns if c.dtype in ("float64", "float32")]
    if numbers:
        x = as_matrix(builder, Frame(tuple(numbers)), "float64")
        builder.refuse_not_finite(x, allow_nan=True)
    return frame
