"""OneHotEncoder, OrdinalEncoder and TargetEncoder: missing, unknown, infrequent categories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.categories import (
    Lookup,
    encoder_columns,
    looked_up,
    lookup_of,
)
from serving.runtimes.compiled.convert.columns import pick
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Element, Frame, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

# Codes that are no place in the answer.
_NOWHERE, _REFUSED = -1.0, -2.0
_FEW = 16


def _dtype(wanted: Any) -> Element:
    name = np.dtype(wanted).name
    elements: tuple[Element, ...] = ("float64", "float32", "int64", "bool")
    for element in elements:
        if element == name:
            return element
    raise NotCompiled("encoder-dtype", f"An encoder answers in {name}.")


def _grouped(encoder: Any, at: int) -> np.ndarray | None:
    """Category index -> code after grouping the infrequent ones; None where none are."""
    if not encoder._infrequent_enabled:
        return None
    mapping = encoder._default_to_infrequent_mappings[at]
    return None if mapping is None else np.asarray(mapping)


def one_hot(builder: GraphBuilder, encoder: Any, value: Value) -> Matrix:
    """One column per category that is left after grouping and dropping, 1 where the cell is it."""
    frame = encoder_columns(builder, value)
    starts = np.cumsum([0, *encoder._n_features_outs])
    lookups = []
    for at, column in enumerate(frame.columns):
        places = [_place(encoder, at, code, int(starts[at])) for code in _codes(encoder, at)]
        other = _place_of_unknown(encoder, at, int(starts[at]))
        lookups.append(lookup_of(column, encoder.categories_[at], places, other))
    return _hot(builder, frame, lookups, [int(n) for n in encoder._n_features_outs], encoder.dtype)


def _codes(encoder: Any, at: int) -> Iterator[int]:
    mapping = _grouped(encoder, at)
    for index in range(len(encoder.categories_[at])):
        # OrdinalEncoder's mapping lacks the missing category, which is the last one.
        is_mapped = mapping is not None and index < len(mapping)
        yield int(mapping[index]) if mapping is not None and is_mapped else index


def _place(encoder: Any, at: int, code: int, start: int) -> float:
    dropped = encoder._drop_idx_after_grouping
    drop = None if dropped is None else dropped[at]
    if drop is None:
        return float(start + code)
    return _NOWHERE if code == drop else float(start + code - (code > drop))


def _place_of_unknown(encoder: Any, at: int, start: int) -> float:
    if encoder.handle_unknown == "error":
        return _REFUSED
    mapping = _grouped(encoder, at)
    if encoder.handle_unknown in ("infrequent_if_exist", "warn") and mapping is not None:
        infrequent = int(encoder._infrequent_indices[at][0])
        return _place(encoder, at, int(mapping[infrequent]), start)
    return _NOWHERE


def _hot(
    builder: GraphBuilder, frame: Frame, lookups: list[Lookup], widths: list[int], dtype: Any
) -> Matrix:
    total = sum(widths)
    if not total:
        raise NotCompiled("no-columns", "An encoder gives no column at all.")
    codes = looked_up(builder, frame.columns, lookups)
    if any(lookup.other == _REFUSED for lookup in lookups):
        refused = builder.add("Equal", [codes, builder.constant(_REFUSED)])
        builder.refuse(builder.any_of(refused))
    spread = codes
    if len(widths) > 1:
        spread = _spread(builder, codes, widths)
    places = builder.constant(np.arange(total, dtype=np.float64))
    is_hot = builder.add("Equal", [spread, places])
    wanted = _dtype(dtype)
    return Matrix(builder.cast(is_hot, wanted), total, wanted)


def _spread(builder: GraphBuilder, codes: str, widths: list[int]) -> str:
    """Each column as often as it has places in the answer.

    A product with ones and zeros is exact, and for few columns five times as fast as Gather.
    """
    count = len(widths)
    if count > _FEW:
        owners = np.repeat(np.arange(count), widths)
        return pick(builder, Matrix(codes, count), owners.tolist()).name
    ones = builder.constant(np.repeat(np.eye(count), widths, axis=1))
    return str(builder.add("MatMul", [codes, ones]))


def ordinal(builder: GraphBuilder, encoder: Any, value: Value) -> Matrix:
    """The code of each category; the missing and the unknown one have codes of their own."""
    frame = encoder_columns(builder, value)
    refuses = encoder.handle_unknown == "error"
    # No code is negative, unless it is the one of unknown or missing categories.
    sign = -987654321.0
    other = sign if refuses else float(encoder.unknown_value)
    lookups = []
    for at, column in enumerate(frame.columns):
        numbers = [float(code) for code in _codes(encoder, at)]
        missing = encoder._missing_indices.get(at)
        if missing is not None:
            numbers[missing] = float(encoder.encoded_missing_value)
        lookups.append(lookup_of(column, encoder.categories_[at], numbers, other))
    codes = looked_up(builder, frame.columns, lookups)
    if refuses:
        builder.refuse(builder.any_of(builder.add("Equal", [codes, builder.constant(sign)])))
    wanted = _dtype(encoder.dtype)
    return builder.as_type(Matrix(codes, frame.width), wanted)


def target(builder: GraphBuilder, encoder: Any, value: Value) -> Matrix:
    """The mean of the target by category, of each class where there are several."""
    frame = encoder_columns(builder, value)
    n_classes = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    means = np.atleast_1d(np.asarray(encoder.target_mean_, np.float64))
    columns, lookups = [], []
    for at, encoding in enumerate(encoder.encodings_):
        column = frame.columns[at // n_classes]
        categories = encoder.categories_[at // n_classes]
        mean = float(means[at % n_classes])
        columns.append(column)
        lookups.append(lookup_of(column, categories, np.asarray(encoding).tolist(), mean))
    return Matrix(looked_up(builder, columns, lookups), len(columns))
