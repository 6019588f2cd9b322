"""Estimators whose transform is a step before another estimator."""

from __future__ import annotations

from typing import Any

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Matrix, Value


def transform(builder: GraphBuilder, estimator: Any, value: Value) -> Matrix:
    """What the answer has as its transform: distances to centres, answers of members."""
    made = outcomes.of_kind(dispatch.answer(builder, estimator, value), "transform")
    return Matrix(made[0].tensor, len(estimator.get_feature_names_out()))
