"""Columns kept apart become one matrix of numbers, as ``check_array`` makes one of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import (
    Column,
    Element,
    Frame,
    Matrix,
    Place,
    Tensor,
    Value,
)
from serving.runtimes.compiled.errors import NotCompiled


def as_matrix(builder: GraphBuilder, value: Value, dtype: Element | None = None) -> Matrix:
    """One matrix, of the type that numpy finds for all columns, or of ``dtype``.

    Objects become float64. Raises NotCompiled for texts: the original would read them as numbers.
    """
    if isinstance(value, Tensor):
        value = flat(builder, value)
    if isinstance(value, Matrix):
        return builder.as_type(value, dtype or value.dtype)
    if any(column.is_text for column in value.columns):
        raise NotCompiled("text-as-number", "A column of texts is read as numbers.")
    found = dtype or common_dtype([column.dtype for column in value.columns])
    return stacked(builder, value.columns, found)


def common_dtype(dtypes: Sequence[str]) -> Element:
    """The element type of a matrix made of these columns."""
    if not dtypes or "object" in dtypes:
        return "float64"
    name = np.result_type(*(np.dtype(one) for one in dtypes)).name
    if name in ("bool", "float32", "float64"):
        return name  # type: ignore[return-value]  # one of the literals
    return "int64"


def flat(builder: GraphBuilder, value: Tensor) -> Matrix:
    """A tensor [N, *shape] as [N, elements]."""
    if len(value.shape) == 1:
        return Matrix(value.name, value.shape[0], value.dtype)
    width = int(np.prod(value.shape))
    shape = builder.constant(np.array([0, width], np.int64))
    return Matrix(builder.add("Reshape", [value.name, shape]), width, value.dtype)


def stacked(builder: GraphBuilder, columns: Sequence[Column], dtype: Element) -> Matrix:
    """The columns side by side in one type; neighbours of one tensor are picked together."""
    if not columns:
        raise NotCompiled("no-columns", "A step takes no column at all.")
    _require_whole(builder, columns, dtype)
    parts = []
    for element, name in placed(builder, [(c.cells, c.element) for c in columns]):
        parts.append(name if element == dtype else builder.cast(name, dtype))
    name = parts[0] if len(parts) == 1 else builder.add("Concat", parts, axis=1)
    return Matrix(name, len(columns), dtype)


def _require_whole(builder: GraphBuilder, columns: Sequence[Column], dtype: Element) -> None:
    """Whole numbers that came as doubles are exact up to 2**53; beyond, the original answers."""
    inexact = [c for c in columns if dtype == "int64" and c.dtype == "int64" != c.element]
    if inexact:
        x = stacked(builder, inexact, "float64")
        size = builder.add("Abs", [x.name])
        limit = builder.constant(2.0**53)
        builder.refuse(builder.any_of(builder.add("GreaterOrEqual", [size, limit])))


def placed(
    builder: GraphBuilder, places: Sequence[tuple[Place, Element]]
) -> list[tuple[Element, str]]:
    """Tensors [N, some] with the columns at these places, in order, and their elements."""
    found = []
    for (tensor, width, element), group in groupby(
        places, lambda p: (p[0].tensor, p[0].width, p[1])
    ):
        at = [place.at for place, _ in group]
        found.append((element, pick(builder, Matrix(tensor, width, element), at).name))
    return found


def pick(builder: GraphBuilder, x: Matrix, places: Sequence[int]) -> Matrix:
    """The columns at these places, in this order."""
    if list(places) == list(range(x.width)):
        return x
    first, count = places[0], len(places)
    if list(places) == list(range(first, first + count)):  # much faster than Gather
        bounds = [[first], [first + count], [1]]
        limits = [builder.constant(np.array(bound, np.int64)) for bound in bounds]
        name = builder.add("Slice", [x.name, *limits])
    else:
        name = builder.add("Gather", [x.name, builder.constant(np.array(places, np.int64))], axis=1)
    return Matrix(name, count, x.dtype)


def tensor_of(builder: GraphBuilder, column: Column) -> str:
    """The column as a tensor [N, 1]."""
    return placed(builder, [(column.cells, column.element)])[0][1]


def missing_of(builder: GraphBuilder, columns: Sequence[Column]) -> str:
    """BOOL [N, columns], true for missing texts; each column must be able to have some."""
    places: list[tuple[Place, Element]] = [(c.missing, "bool") for c in columns if c.missing]
    parts = [name for _, name in placed(builder, places)]
    return parts[0] if len(parts) == 1 else str(builder.add("Concat", parts, axis=1))


def texts_of(builder: GraphBuilder, columns: Sequence[Column]) -> str:
    """STRING [N, columns]."""
    parts = [name for _, name in placed(builder, [(c.cells, c.element) for c in columns])]
    return parts[0] if len(parts) == 1 else str(builder.add("Concat", parts, axis=1))


def columns_of(x: Matrix) -> tuple[Column, ...]:
    """The columns of a matrix, kept apart."""
    return tuple(Column(Place(x.name, x.width, at), x.dtype, x.dtype) for at in range(x.width))


def as_frame(builder: GraphBuilder, value: Value) -> Frame:
    """The columns of a value, kept apart."""
    if isinstance(value, Tensor):
        value = flat(builder, value)
    return Frame(columns_of(value)) if isinstance(value, Matrix) else value


def as_floats(builder: GraphBuilder, value: Value) -> Matrix:
    """One matrix of float64, or of float32 where all is float32: ``dtype=FLOAT_DTYPES``."""
    x = as_matrix(builder, value)
    return x if x.dtype == "float32" else builder.as_double(x)


def as_doubles(builder: GraphBuilder, value: Value) -> Matrix:
    """One matrix of float64. Raises NotCompiled where the original computes in float32."""
    x = as_floats(builder, value)
    if x.dtype == "float32":
        raise NotCompiled("float32-columns", "A step computes in float32.")
    return x


def side_by_side(builder: GraphBuilder, values: Sequence[Value]) -> Value:
    """What ``np.hstack`` makes: one matrix, or columns apart where any is no plain number."""
    if len(values) == 1:
        return values[0]
    if not all(isinstance(value, Matrix) or _is_plain(value) for value in values):
        return Frame(tuple(c for value in values for c in as_frame(builder, value).columns))
    parts = [as_matrix(builder, value) for value in values]
    dtype = common_dtype([part.dtype for part in parts])
    typed = [builder.as_type(part, dtype) for part in parts]
    name = builder.add("Concat", [part.name for part in typed], axis=1)
    whole = Matrix(name, sum(part.width for part in parts), dtype)
    for part in typed:
        builder.carries(part, whole)
    return whole


def _is_plain(value: Value) -> bool:
    return isinstance(value, Frame) and all(
        not c.is_text and c.dtype != "object" and c.categories is None for c in value.columns
    )


def apart(builder: GraphBuilder, value: Value) -> list[str]:
    """Every column as [N], in its own type. Raises NotCompiled for texts."""
    axis = builder.constant(np.array([1], np.int64))
    names = []
    for column in as_frame(builder, value).columns:
        if column.is_text:
            raise NotCompiled("answer-type", "The answer has columns of texts.")
        dtype = common_dtype([column.dtype])
        one = stacked(builder, [column], "float64" if dtype == "float32" else dtype)
        names.append(str(builder.add("Squeeze", [one.name, axis])))
    return names
