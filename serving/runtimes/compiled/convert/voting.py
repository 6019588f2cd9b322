"""Voting and stacking of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.members import (
    added,
    average,
    class_indexes,
    label_numbers,
    only,
)
from serving.runtimes.compiled.convert.outcomes import argmax, double, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def regressor(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """VotingRegressor: the mean; its transform are the members' predictions."""
    parts = [
        label_numbers(builder, only(dispatch.answer(builder, member, value), "prediction"))
        for member in estimator.estimators_
    ]
    wide = outcomes.stacked(builder, [outcomes.upright(builder, part) for part in parts])
    mean = average(builder, parts, estimator._weights_not_none)
    return [Made("prediction", mean), Made("transform", wide)]


def classifier(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """VotingClassifier, soft (the mean of probabilities) and hard (votes)."""
    answers = [dispatch.answer(builder, member, value) for member in estimator.estimators_]
    if estimator.voting == "soft":
        parts = [only(made, "probabilities").tensor for made in answers]
        mean = average(builder, parts, estimator._weights_not_none)
        return [
            label_of(argmax(builder, mean), estimator.classes_),
            Made("probabilities", mean),
            Made("transform", outcomes.stacked(builder, parts)),
        ]
    count = len(estimator.classes_)
    weights = estimator._weights_not_none or [1.0] * len(answers)
    indexes = [
        class_indexes(builder, only(made, "prediction"), np.arange(count)) for made in answers
    ]
    votes = [
        builder.add("Gather", [double(builder, np.eye(count) * weight), index])
        for index, weight in zip(indexes, weights, strict=True)
    ]
    label = argmax(builder, added(builder, votes))
    wide = outcomes.stacked(builder, [outcomes.upright(builder, index) for index in indexes])
    return [label_of(label, estimator.classes_), Made("transform", wide)]


def stack(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """StackingClassifier and StackingRegressor: the last member answers on the others' answers."""
    parts = _features(builder, estimator, value)
    wide = outcomes.stacked(builder, parts)
    width = sum(estimator._n_feature_outs)
    if estimator.passthrough:
        width += as_matrix(builder, value).width
    made = dispatch.answer(builder, estimator.final_estimator_, Matrix(wide, width))
    made = [one for one in made if one.kind != "transform"]
    if hasattr(estimator, "classes_"):
        index = class_indexes(builder, only(made, "prediction"), np.arange(len(estimator.classes_)))
        made = [
            label_of(index, estimator.classes_),
            *(one for one in made if one.kind != "prediction"),
        ]
    return [*made, Made("transform", wide)]


def _features(builder: GraphBuilder, estimator: Any, value: Value) -> list[str]:
    if isinstance(getattr(estimator, "_label_encoder", None), list):
        raise NotCompiled("stacked-outputs", "The stack has several outputs.")
    parts = []
    for member, method in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        made = dispatch.answer(builder, member, value)
        if method == "predict":
            part = outcomes.upright(builder, label_numbers(builder, only(made, "prediction")))
        elif method == "decision_function":
            part = only(made, "decision").tensor
            if len(estimator.classes_) == 2:
                part = outcomes.upright(builder, part)
        else:
            part = only(made, "probabilities").tensor
            if len(estimator.classes_) == 2:
                part = outcomes.upright(builder, outcomes.column(builder, part, 1))
        parts.append(part)
    if estimator.passthrough:
        parts.append(as_matrix(builder, value, "float64").name)
    return parts
