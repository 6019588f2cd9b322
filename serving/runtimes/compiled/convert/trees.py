"""Decision trees and forests of scikit-learn: values cast to float32, thresholds double."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, double, label_of
from serving.runtimes.compiled.convert.tree_nodes import Tree, halfway, summed
from serving.runtimes.compiled.convert.values import Made, Matrix


def float32_input(
    builder: GraphBuilder, x: Matrix, *, allow_nan: bool, allow_infinity: bool = False
) -> str:
    """The name of ``x`` in double; what is no finite float32 is refused as the original does."""
    narrow = builder.as_type(x, "float32")
    if not allow_infinity:
        builder.refuse_not_finite(narrow, allow_nan=allow_nan)
    if x.dtype == "int64":  # rounded once, not by way of a double
        return builder.cast(narrow.name, "float64")
    return builder.as_double(x).name


def tree_of(fitted: Any, features: np.ndarray | None = None) -> Tree:
    """The nodes of a ``sklearn.tree._tree.Tree``; ``features`` maps its features to columns."""
    nodes = fitted.__getstate__()["nodes"]
    feature = nodes["feature"] if features is None else np.asarray(features)[nodes["feature"]]
    return Tree(
        left=nodes["left_child"],
        right=nodes["right_child"],
        feature=np.maximum(feature, 0),
        threshold=halfway(nodes["threshold"]),
        missing_left=nodes["missing_go_to_left"],
    )


def convert(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """A decision tree."""
    return _averaged(builder, estimator, [estimator], x)


def forest(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """RandomForest and ExtraTrees: the sum over the trees, then over their number."""
    return _averaged(builder, estimator, estimator.estimators_, x)


def _averaged(
    builder: GraphBuilder, estimator: Any, members: Sequence[Any], x: Matrix
) -> list[Made]:
    name = float32_input(builder, x, allow_nan=accepts_missing(members))
    total = summed(
        builder, name, [tree_of(one.tree_) for one in members], [_values(one) for one in members]
    )
    if len(members) > 1:
        total = builder.add("Div", [total, double(builder, float(len(members)))])
    if not is_classifier(estimator):
        return outcomes.numbers_of(builder, total, members[0].n_outputs_)
    return _classes(builder, estimator, total)


def accepts_missing(members: Sequence[Any]) -> bool:
    """As the original decides it: by what its first tree says."""
    return bool(members[0]._support_missing_values(np.zeros((1, 1))))


def _values(member: Any) -> np.ndarray:
    """(n_nodes, n_values): the outputs side by side, each with its own number of classes."""
    value = member.tree_.value
    counts = np.atleast_1d(getattr(member, "n_classes_", 1)) if is_classifier(member) else None
    if counts is None:
        return np.asarray(value[:, :, 0])
    return np.concatenate([value[:, at, :count] for at, count in enumerate(counts)], axis=1)


def _classes(builder: GraphBuilder, estimator: Any, total: str) -> list[Made]:
    if estimator.n_outputs_ == 1:
        index = label_of(argmax(builder, total), estimator.classes_)
        return [index, Made("probabilities", total)]
    counts = np.asarray(estimator.n_classes_, np.int64)
    parts = builder.add("Split", [total, builder.constant(counts)], outputs=len(counts), axis=1)
    kind = estimator.classes_[0].dtype  # the original answers all outputs in this type
    labels = [
        label_of(argmax(builder, part), np.asarray(known).astype(kind))
        for part, known in zip(parts, estimator.classes_, strict=True)
    ]
    return [*labels, *(Made("probabilities", part) for part in parts)]
