"""Bagging and AdaBoost of scikit-learn; with trees as members, one TreeEnsemble answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.members import (
    added,
    class_indexes,
    label_numbers,
    only,
    picked,
    spread,
)
from serving.runtimes.compiled.convert.outcomes import argmax, double, label_of
from serving.runtimes.compiled.convert.tree_nodes import summed
from serving.runtimes.compiled.convert.trees import accepts_missing, float32_input, tree_of
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
_REGRESSION_TREES = (DecisionTreeRegressor, ExtraTreeRegressor)


def _are(estimator: Any, kinds: tuple[type, ...]) -> bool:
    return all(type(member) in kinds for member in estimator.estimators_)


def bagged_regressor(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """BaggingRegressor: the mean of the members' predictions."""
    if _are(estimator, _REGRESSION_TREES) and estimator.estimators_[0].n_outputs_ == 1:
        total = _sum_of_trees(
            builder, estimator, x, [m.tree_.value[:, 0] for m in estimator.estimators_]
        )
        return outcomes.numbers_of(builder, _over(builder, total, estimator.n_estimators), 1)
    parts = [
        only(dispatch.answer(builder, member, picked(builder, x, features)), "prediction").tensor
        for member, features in _pairs(estimator)
    ]
    return [Made("prediction", _over(builder, added(builder, parts), estimator.n_estimators))]


def bagged_classifier(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """BaggingClassifier: the mean of the members' probabilities, or of their votes."""
    count = len(estimator.classes_)
    decisions: list[str] = []
    if _are(estimator, _TREES):
        values = [
            _at_classes(member.tree_.value[:, 0, :], member.classes_, count)
            for member in estimator.estimators_
        ]
        total = _sum_of_trees(builder, estimator, x, values)
    else:
        parts = []
        for member, features in _pairs(estimator):
            made = dispatch.answer(builder, member, picked(builder, x, features))
            parts.append(_probabilities(builder, member, made, count))
            if hasattr(estimator, "decision_function"):
                decisions.append(only(made, "decision").tensor)
        total = added(builder, parts)
    proba = _over(builder, total, estimator.n_estimators)
    answer = [label_of(argmax(builder, proba), estimator.classes_), Made("probabilities", proba)]
    if decisions:
        mean = _over(builder, added(builder, decisions), estimator.n_estimators)
        answer.append(Made("decision", mean))
    return answer


def _probabilities(builder: GraphBuilder, member: Any, made: list[Made], count: int) -> str:
    """[N, count] of one member, whose classes are places among those of the whole."""
    known = [int(label) for label in member.classes_]
    if hasattr(member, "predict_proba"):
        return spread(builder, only(made, "probabilities").tensor, known, count)
    votes = double(builder, np.eye(count)[known])
    found: str = builder.add("Gather", [votes, only(made, "prediction").tensor])
    return found


def _at_classes(values: np.ndarray, known: Any, count: int) -> np.ndarray:
    wide = np.zeros((len(values), count))
    wide[:, np.asarray(known, np.int64)] = values
    return wide


def _pairs(estimator: Any) -> list[tuple[Any, Any]]:
    return list(zip(estimator.estimators_, estimator.estimators_features_, strict=True))


def _sum_of_trees(
    builder: GraphBuilder, estimator: Any, x: Matrix, values: list[np.ndarray]
) -> str:
    members = estimator.estimators_
    found = getattr(estimator, "estimators_features_", [None] * len(members))
    trees = [tree_of(m.tree_, features) for m, features in zip(members, found, strict=True)]
    name = float32_input(builder, x, allow_nan=accepts_missing(members))
    return summed(builder, name, trees, values)


def _over(builder: GraphBuilder, total: str, count: float) -> str:
    made: str = builder.add("Div", [total, double(builder, float(count))])
    return made


def boosted_classifier(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """AdaBoostClassifier: each member's weight for its label, a part of it against the others."""
    count = len(estimator.classes_)
    if count == 1:
        raise NotCompiled("one-class", "The model knows a single class.")
    builder.refuse_not_finite(x)
    total = _weighted_votes(builder, estimator, x, count)
    mean = _over(builder, total, estimator.estimator_weights_.sum())
    if count > 2:
        half = builder.add("Div", [mean, double(builder, float(count - 1))])
        return [
            label_of(argmax(builder, mean), estimator.classes_),
            Made("probabilities", outcomes.softmax(builder, half)),
            Made("decision", mean),
        ]
    first, second = (outcomes.column(builder, mean, at) for at in (0, 1))
    decision = builder.add("Sub", [second, first])
    both = [outcomes.upright(builder, one) for one in (builder.add("Neg", [decision]), decision)]
    half = builder.add("Div", [outcomes.stacked(builder, both), double(builder, 2.0)])
    return [
        label_of(outcomes.passes(builder, decision), estimator.classes_),
        Made("probabilities", outcomes.softmax(builder, half)),
        Made("decision", decision),
    ]


def _weighted_votes(builder: GraphBuilder, estimator: Any, x: Matrix, count: int) -> str:
    pairs = list(zip(estimator.estimators_, estimator.estimator_weights_, strict=False))
    tables = [
        np.where(np.eye(count, dtype=bool), weight, -1 / (count - 1) * weight)
        for _, weight in pairs
    ]
    known = np.asarray(estimator.classes_).tolist()
    if _are(estimator, _TREES):
        leaves = []
        for (member, _), table in zip(pairs, tables, strict=True):
            places = np.array([known.index(label) for label in member.classes_.tolist()])
            leaves.append(table[places[np.argmax(member.tree_.value[:, 0, :], axis=1)]])
        return _sum_of_trees(builder, estimator, x, leaves)
    parts = []
    for (member, _), table in zip(pairs, tables, strict=True):
        made = only(dispatch.answer(builder, member, x), "prediction")
        index = class_indexes(builder, made, estimator.classes_)
        parts.append(builder.add("Gather", [double(builder, table), index]))
    return added(builder, parts)


def boosted_regressor(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """AdaBoostRegressor: the weighted median of the members' predictions."""
    builder.refuse_not_finite(x)
    columns = [
        outcomes.upright(
            builder,
            label_numbers(builder, only(dispatch.answer(builder, member, x), "prediction")),
        )
        for member in estimator.estimators_
    ]
    predictions = outcomes.stacked(builder, columns)
    size = outcomes.places(builder, len(columns))
    ordered, places = builder.add(
        "TopK", [predictions, size], outputs=2, axis=1, largest=0, sorted=1
    )
    weights = double(builder, estimator.estimator_weights_[: len(columns)])
    one = builder.constant(1)
    grown = builder.add("CumSum", [builder.add("Gather", [weights, places]), one])
    last = outcomes.upright(builder, outcomes.column(builder, grown, len(columns) - 1))
    enough = builder.add("Mul", [last, double(builder, 0.5)])
    reached = builder.cast(builder.add("GreaterOrEqual", [grown, enough]), "float64")
    at = outcomes.upright(builder, argmax(builder, reached))
    found = builder.add("GatherElements", [ordered, at], axis=1)
    return [Made("prediction", outcomes.flat(builder, found))]
