"""XGBoost and LightGBM models as graphs: their columns as one matrix, their trees as one node."""

from __future__ import annotations

import math
from typing import Any

from serving.runtimes.boosted import BoostedModel, Feature
from serving.runtimes.compiled.convert import lightgbm_trees, outcomes, xgboost_trees
from serving.runtimes.compiled.convert.categories import Lookup, looked_up
from serving.runtimes.compiled.convert.columns import as_frame, as_matrix, tensor_of
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Column, Made, Value
from serving.runtimes.compiled.errors import NotCompiled

_ANSWERS = {"xgboost.Booster": xgboost_trees.answer, "lightgbm.Booster": lightgbm_trees.answer}


def answer(builder: GraphBuilder, model: BoostedModel, value: Value) -> list[Made]:
    """The blocks of a booster. Raises NotCompiled."""
    name = model.facts().estimator
    if name not in _ANSWERS:
        raise NotCompiled("no-converter", f"A model of {name} is not compiled.")
    features: Any = getattr(model, "_features")  # noqa: B009  # the runtime's own, kept private
    return _ANSWERS[name](builder, model, matrix(builder, value, features))


def matrix(builder: GraphBuilder, value: Value, features: tuple[Feature, ...]) -> str:
    """DOUBLE [N, n_features]: numbers, codes of categories, NaN for what is missing or unknown."""
    if all(feature.categories is None for feature in features):
        return as_matrix(builder, value, "float64").name
    pairs = zip(as_frame(builder, value).columns, features, strict=True)
    return outcomes.stacked(builder, [_cells(builder, column, one) for column, one in pairs])


def _cells(builder: GraphBuilder, column: Column, feature: Feature) -> str:
    """DOUBLE [N, 1]."""
    if feature.categories is None:
        return builder.cast(tensor_of(builder, column), "float64")
    if column.is_text != (feature.type == "string"):
        raise NotCompiled("other-categories", "Categories are of another type than the column.")
    known = [value if column.is_text else float(value) for value in feature.categories]
    codes = {value: float(code) for code, value in enumerate(known)}
    return looked_up(builder, [column], [Lookup(codes, math.nan, math.nan)])
