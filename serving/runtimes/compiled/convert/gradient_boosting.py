"""GradientBoosting of scikit-learn: float32 values, a start, then the scaled leaf of each stage."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, label_of, passes, two_classes
from serving.runtimes.compiled.convert.tree_nodes import TreeTable
from serving.runtimes.compiled.convert.trees import float32_input, tree_of
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled


def convert(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """GradientBoostingClassifier and GradientBoostingRegressor, with a start that is constant."""
    table = TreeTable(estimator.n_trees_per_iteration_)
    for target, start in enumerate(_start(estimator)):
        table.constant(float(start), target)
    for stage in estimator.estimators_:
        for target, member in enumerate(stage):
            leaves = estimator.learning_rate * member.tree_.value[:, 0, 0]
            table.add(tree_of(member.tree_), leaves, target)
    raw = table.emit(builder, float32_input(builder, x, allow_nan=False))
    if not is_classifier(estimator):
        return outcomes.numbers_of(builder, raw, 1)
    # A decision of exactly 0 is the second class here, and the first in HistGradientBoosting.
    return raw_classes(builder, estimator, raw, "GreaterOrEqual")


def _start(estimator: Any) -> np.ndarray:
    """(n_targets,): the raw prediction before the first stage."""
    start = estimator.init_
    is_constant = type(start) in (DummyClassifier, DummyRegressor)
    if start != "zero" and (not is_constant or start.strategy in ("stratified", "uniform")):
        raise NotCompiled("boosting-start", "The boosting starts from another model's answers.")
    nothing = np.zeros((1, estimator.n_features_in_), np.float32)
    return np.asarray(estimator._raw_predict_init(nothing)[0])


def raw_classes(builder: GraphBuilder, estimator: Any, raw: str, op: str) -> list[Made]:
    """Label, probabilities and decision out of raw scores [N, 1] or [N, n_classes]."""
    link = type(estimator._loss.link).__name__
    if link == "MultinomialLogit":
        label = label_of(argmax(builder, raw), estimator.classes_)
        probabilities = outcomes.softmax(builder, raw)
        return [label, Made("probabilities", probabilities), Made("decision", raw)]
    decision = outcomes.flat(builder, raw)
    made = [label_of(passes(builder, decision, op), estimator.classes_)]
    if hasattr(estimator, "predict_proba"):
        scaled = raw
        if link == "HalfLogitLink":
            scaled = builder.add("Mul", [raw, outcomes.double(builder, 2.0)])
        second = outcomes.sigmoid(builder, scaled)
        made.append(Made("probabilities", two_classes(builder, second)))
    return [*made, Made("decision", decision)]
