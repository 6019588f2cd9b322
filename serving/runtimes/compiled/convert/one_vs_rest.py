"""Classifiers made of two-class ones: one against the rest, pairs, output codes."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.clusters import argmin_to
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.kernels import sides_of_pairs, with_confidence
from serving.runtimes.compiled.convert.members import (
    binary_score,
    label_numbers,
    only,
    second_probability,
)
from serving.runtimes.compiled.convert.outcomes import argmax, dot, double, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def _limit(estimator: Any) -> float:
    """Above it a member says yes: 0 for a decision, a half for a probability."""
    first = estimator.estimators_[0]
    return 0.0 if hasattr(first, "decision_function") and is_classifier(first) else 0.5


def rest(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """OneVsRestClassifier: two classes, several, or several labels a row."""
    members = estimator.estimators_
    each = [binary_score(builder, member, value) for member in members]
    columns = [outcomes.upright(builder, one) for one in each]
    scores = outcomes.stacked(builder, columns)
    limit = _limit(estimator)
    made: list[Made] = []
    if estimator.multilabel_:
        made += [Made("prediction", outcomes.passes(builder, s, limit=limit)) for s in each]
    elif len(members) == 1:
        found = outcomes.passes(builder, each[0], limit=limit)
        made.append(label_of(found, estimator.classes_))
    else:
        made.append(label_of(argmax(builder, scores), estimator.classes_))
    if hasattr(estimator, "predict_proba"):
        made += _probabilities(builder, estimator, value)
    if hasattr(estimator, "decision_function"):
        if estimator.multilabel_:
            made += [Made("decision", one) for one in each]
        else:
            made.append(Made("decision", each[0] if len(members) == 1 else scores))
    return made


def _probabilities(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    each = [
        outcomes.upright(builder, second_probability(builder, member, value))
        for member in estimator.estimators_
    ]
    if estimator.multilabel_:
        return [Made("probabilities", one) for one in each]
    if len(each) == 1:
        together = outcomes.two_classes(builder, each[0])
    else:
        together = outcomes.stacked(builder, each)
    total = outcomes.row_sum(builder, together)
    is_nothing = builder.add("Equal", [total, double(builder, 0.0)])
    whole = builder.add("Where", [is_nothing, double(builder, 1.0), total])
    return [Made("probabilities", builder.add("Div", [together, whole]))]


def pairs(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """OneVsOneClassifier: votes of the pairs, and the sums of their scores as parts of a vote."""
    if estimator.pairwise_indices_ is not None:
        raise NotCompiled("pairwise", "The members take kernels that were computed before.")
    count = estimator.n_classes_
    labels, scores = [], []
    for member in estimator.estimators_:
        made = dispatch.answer(builder, member, x)
        number = label_numbers(builder, only(made, "prediction"))
        labels.append(outcomes.upright(builder, number))
        scores.append(outcomes.upright(builder, binary_score(builder, member, x)))
    first, second = sides_of_pairs(count)
    said = outcomes.stacked(builder, labels)
    votes = dot(builder, said, (second - first).T, first.sum(axis=0))
    sums = dot(builder, outcomes.stacked(builder, scores), (second - first).T)
    decision = with_confidence(builder, votes, sums)
    if count > 2:
        label = argmax(builder, decision)
    else:
        decision = outcomes.column(builder, decision, 1)
        label = outcomes.passes(builder, decision, limit=_limit(estimator))
    return [label_of(label, estimator.classes_), Made("decision", decision)]


def codes(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """OutputCodeClassifier: the class whose code is nearest to the members' scores."""
    scores = [
        outcomes.upright(builder, binary_score(builder, member, value))
        for member in estimator.estimators_
    ]
    nearest = argmin_to(builder, outcomes.stacked(builder, scores), estimator.code_book_)
    return [label_of(nearest, estimator.classes_)]
