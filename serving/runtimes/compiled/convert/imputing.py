"""SimpleImputer and MissingIndicator on matrices of numbers and on columns of objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import (
    as_floats,
    as_frame,
    as_matrix,
    missing_of,
    pick,
    side_by_side,
    tensor_of,
)
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Column, Frame, Matrix, Place, Value
from serving.runtimes.compiled.errors import NotCompiled


def is_nan(value: Any) -> bool:
    """Whether a parameter or a category is the missing number."""
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def simple(builder: GraphBuilder, imputer: Any, value: Value) -> Value:
    """The statistic in place of what is missing; columns without one are dropped."""
    if imputer._fit_dtype.kind == "O":
        return _objects(builder, imputer, value)
    if imputer.strategy in ("most_frequent", "constant"):
        x = as_matrix(builder, value)
    else:
        x = as_floats(builder, value)
    missing = _missing_cells(builder, x, imputer.missing_values)
    made = _imputed(builder, imputer, x, missing)
    if not imputer.add_indicator:
        return made
    return side_by_side(builder, [made, _indicated(builder, imputer.indicator_, x, missing)])


def _missing_cells(builder: GraphBuilder, x: Matrix, missing_values: Any) -> str | None:
    """BOOL [N, width]: the missing cells; None where none can be."""
    if is_nan(missing_values):
        return builder.add("IsNaN", [x.name]) if x.dtype in ("float64", "float32") else None
    if isinstance(missing_values, bool | str) or missing_values is None:
        raise NotCompiled("missing-values", "Numbers are missing by a text, a truth value or None.")
    if x.dtype in ("float64", "float32"):
        wanted = np.asarray(missing_values, x.dtype)
    elif float(missing_values).is_integer():
        wanted = np.asarray(int(missing_values), np.int64)
    else:
        return None
    return str(builder.add("Equal", [x.name, builder.constant(wanted)]))


def _imputed(builder: GraphBuilder, imputer: Any, x: Matrix, missing: str | None) -> Matrix:
    statistics = np.asarray(imputer.statistics_)
    kept = list(range(x.width))
    if not imputer.keep_empty_features:
        kept = [at for at, one in enumerate(statistics.tolist()) if not is_nan(one)]
    fills = statistics[kept].astype(imputer._fill_dtype).astype(x.dtype)
    made = x
    if missing is not None:
        # Statistics of columns that are dropped do not matter.
        wide = np.zeros(x.width, x.dtype)
        wide[kept] = fills
        name = builder.add("Where", [missing, builder.constant(wide), x.name])
        made = Matrix(name, x.width, x.dtype)
    strict = missing is None or (is_nan(imputer.missing_values) and bool(np.isfinite(fills).all()))
    if strict and len(kept) == x.width:
        builder.refuse_not_finite(made)
    else:
        builder.refuse_not_finite(x, allow_nan=is_nan(imputer.missing_values))
    return pick(builder, made, kept)


def _indicated(builder: GraphBuilder, indicator: Any, x: Matrix, missing: str | None) -> Matrix:
    """Truth values for the columns that the indicator reports."""
    if missing is None:
        nothing = np.zeros((1, x.width), bool)
        zero = builder.add("And", [builder.cast(x.name, "bool"), builder.constant(nothing)])
        missing = str(zero)
    cells = Matrix(missing, x.width, "bool")
    return pick(builder, cells, [int(at) for at in indicator.features_])


def indicator(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """MissingIndicator as a step of its own: truth values."""
    frame = as_frame(builder, value)
    if any(column.is_text or column.dtype == "object" for column in frame.columns):
        masks = [_missing_cell(builder, c, step.missing_values) for c in frame.columns]
        if not all(masks):
            raise NotCompiled("indicator-of-objects", "Some column can have no missing value.")
        cells = builder.add("Concat", [str(mask) for mask in masks], axis=1)
        x = Matrix(cells, frame.width, "bool")
        missing: str | None = cells
    else:
        x = as_matrix(builder, value)
        builder.refuse_not_finite(x, allow_nan=is_nan(step.missing_values))
        missing = _missing_cells(builder, x, step.missing_values)
    if missing is not None and step.features == "missing-only" and step.error_on_new:
        others = sorted(set(range(x.width)) - {int(at) for at in step.features_})
        if others:
            builder.refuse(builder.any_of(pick(builder, Matrix(missing, x.width), others).name))
    return _indicated(builder, step, x, missing)


# --- objects: texts, and numbers among them ------------------------------------------------------


def _objects(builder: GraphBuilder, imputer: Any, value: Value) -> Value:
    frame = as_frame(builder, value)
    masks = [_missing_cell(builder, column, imputer.missing_values) for column in frame.columns]
    columns = []
    for at, (column, mask) in enumerate(zip(frame.columns, masks, strict=True)):
        fill = imputer.statistics_[at]
        if not imputer.keep_empty_features and is_nan(fill):
            continue
        _refuse_other_missing(builder, column, imputer.missing_values)
        columns.append(_filled(builder, column, mask, fill, imputer.missing_values))
    made: list[Value] = [Frame(tuple(columns))]
    if imputer.add_indicator:
        made += _indicated_objects(builder, imputer.indicator_, masks)
    return side_by_side(builder, made)


def _missing_cell(builder: GraphBuilder, column: Column, missing_values: Any) -> str | None:
    """BOOL [N, 1] of one column; None where no cell can be missing."""
    if is_nan(missing_values) or missing_values is None:
        if (missing_values is None) != column.none_is_missing or column.fill is not None:
            return None
        if column.is_text:
            return missing_of(builder, [column]) if column.missing else None
        if column.dtype in ("float64", "float32", "object") and column.element != "bool":
            return str(builder.add("IsNaN", [tensor_of(builder, column)]))
        return None
    if column.is_text == isinstance(missing_values, str):
        if not column.is_text and isinstance(missing_values, bool):
            raise NotCompiled("missing-values", "A truth value stands for what is missing.")
        wanted = missing_values if column.is_text else np.float64(missing_values)
        tensor = tensor_of(builder, column)
        if not column.is_text and column.element != "float64":
            tensor = builder.cast(tensor, "float64")
        return str(builder.add("Equal", [tensor, builder.constant(wanted)]))
    return None


def _refuse_other_missing(builder: GraphBuilder, column: Column, missing_values: Any) -> None:
    """NaN among objects is refused unless it is what the imputer takes for missing."""
    if is_nan(missing_values) or column.none_is_missing or column.fill is not None:
        return
    if column.is_text and column.missing:
        builder.refuse(builder.any_of(missing_of(builder, [column])))
    elif column.element in ("float64", "float32"):
        builder.refuse(builder.any_of(builder.add("IsNaN", [tensor_of(builder, column)])))


def _filled(
    builder: GraphBuilder, column: Column, mask: str | None, fill: Any, missing_values: Any
) -> Column:
    if mask is None:
        return replace(column, dtype="object", categories=None)
    if column.is_text != isinstance(fill, str):
        raise NotCompiled("mixed-cells", "An imputer mixes texts and numbers in one column.")
    if column.is_text and not isinstance(missing_values, str):
        return replace(column, dtype="object", fill=fill, categories=None)
    wanted = builder.constant(str(fill) if column.is_text else np.float64(fill))
    tensor = tensor_of(builder, column)
    if not column.is_text and column.element != "float64":
        tensor = builder.cast(tensor, "float64")
    name = builder.add("Where", [mask, wanted, tensor])
    element = "string" if column.is_text else "float64"
    return Column(
        Place(name),
        element,  # type: ignore[arg-type]  # one of the literals
        "object",
        missing=column.missing,
        none_is_missing=column.none_is_missing,
    )


def _indicated_objects(
    builder: GraphBuilder, indicator: Any, masks: list[str | None]
) -> list[Value]:
    found = [masks[int(at)] for at in indicator.features_]
    if not all(found):
        raise NotCompiled("indicator-of-objects", "Some column can have no missing value.")
    return [Frame(tuple(Column(Place(str(mask)), "bool", "object") for mask in found))]
