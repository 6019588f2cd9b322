"""Pipelines, column transformers, unions, and whatever hands its input on to one fitted object."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import get_tags

from serving.runtimes.compiled.convert import dispatch
from serving.runtimes.compiled.convert.columns import (
    as_frame,
    as_matrix,
    pick,
    side_by_side,
)
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Frame, Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def is_nothing(step: Any) -> bool:
    """A step that hands its input on."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def pipeline(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """``Pipeline.predict`` and its like: every step transforms, the last one answers."""
    *steps, (_, last) = estimator.steps
    for _, step in steps:
        value = value if is_nothing(step) else dispatch.transform(builder, step, value)
    if is_nothing(last):
        return dispatch.transformed(builder, value)
    return dispatch.answer(builder, last, value)


def pipeline_transform(builder: GraphBuilder, estimator: Any, value: Value) -> Value:
    """``Pipeline.transform``."""
    for _, step in estimator.steps:
        value = value if is_nothing(step) else dispatch.transform(builder, step, value)
    return value


def column_transformer(builder: GraphBuilder, chooser: Any, value: Value) -> Value:
    """The chosen columns of each transformer, side by side in its order.

    ``transformers_`` ends with the remainder; what was empty at fit gives no columns.
    """
    made: list[Value] = []
    weights = chooser.transformer_weights or {}
    for name, step, _ in chooser.transformers_:
        places = [int(at) for at in chooser._transformer_to_input_indices.get(name, ())]
        if not places or (isinstance(step, str) and step == "drop"):
            continue
        part = _chosen(builder, value, places)
        if not is_nothing(step):
            part = dispatch.transform(builder, step, part)
        if name in weights:
            part = _weighed(builder, part, weights[name])
        made.append(part)
    if not made:
        raise NotCompiled("no-columns", "A column transformer takes no column at all.")
    return side_by_side(builder, made)


def _chosen(builder: GraphBuilder, value: Value, places: list[int]) -> Value:
    if isinstance(value, Matrix):
        return pick(builder, value, places)
    return as_frame(builder, value).picked(places)


def feature_union(builder: GraphBuilder, union: Any, value: Value) -> Value:
    """What each transformer makes of the same rows, side by side."""
    made: list[Value] = []
    weights = union.transformer_weights or {}
    for name, step in union.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        part = value if is_nothing(step) else dispatch.transform(builder, step, value)
        made.append(_weighed(builder, part, weights[name]) if name in weights else part)
    if not made:
        raise NotCompiled("no-columns", "A union holds no transformer.")
    return side_by_side(builder, made)


def _weighed(builder: GraphBuilder, value: Value, weight: float) -> Value:
    x = as_matrix(builder, value)
    if x.dtype != "float64":
        raise NotCompiled("weighted-columns", "Only columns of float64 are weighted.")
    weighed = builder.add("Mul", [x.name, builder.constant(float(weight))])
    return Matrix(weighed, x.width)


def best_estimator(builder: GraphBuilder, search: Any, value: Value) -> list[Made]:
    """A fitted search answers as its best estimator does."""
    return dispatch.answer(builder, search.best_estimator_, value)


def best_transform(builder: GraphBuilder, search: Any, value: Value) -> Value:
    """The same for a search as a step."""
    return dispatch.transform(builder, search.best_estimator_, value)


def eliminated(builder: GraphBuilder, selector: Any, value: Value) -> list[Made]:
    """RFE and RFECV: the estimator that was fitted on the columns that are left."""
    chosen = selection(builder, selector, value)
    made = dispatch.answer(builder, selector.estimator_, chosen)
    own = [one for one in made if one.kind != "transform"]
    return [*own, dispatch.transformed(builder, chosen)[-1]]


def frozen(builder: GraphBuilder, wrapper: Any, value: Value) -> list[Made]:
    """A frozen estimator answers as the one in it."""
    return dispatch.answer(builder, wrapper.estimator, value)


def frozen_transform(builder: GraphBuilder, wrapper: Any, value: Value) -> Value:
    """The same for one as a step."""
    return dispatch.transform(builder, wrapper.estimator, value)


def selection(builder: GraphBuilder, selector: Any, value: Value) -> Value:
    """The columns that a feature selection keeps; its checks are those of ``check_array``."""
    support = np.flatnonzero(selector.get_support())
    if not len(support):
        raise NotCompiled("no-columns", "A selection keeps no column at all.")
    if isinstance(value, Frame) and any(c.is_text or c.dtype == "object" for c in value.columns):
        raise NotCompiled("selection-of-objects", "A selection is made among columns of objects.")
    x = as_matrix(builder, value)
    if not get_tags(selector).input_tags.allow_nan:  # else infinity is taken as well
        builder.refuse_not_finite(x)
    return pick(builder, x, [int(at) for at in support])
