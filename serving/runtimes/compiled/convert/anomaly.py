"""Anomaly detectors of scikit-learn: IsolationForest and EllipticEnvelope."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble._iforest import _average_path_length

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import checked, dot, double, label_of
from serving.runtimes.compiled.convert.tree_nodes import summed
from serving.runtimes.compiled.convert.trees import float32_input, tree_of
from serving.runtimes.compiled.convert.values import Made, Matrix

_SIDES = np.array([-1, 1])


def forest(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """IsolationForest: depths summed tree by tree, then ``2 ** -(depths / denominator)``."""
    trees, depths = [], []
    for member, features, path, average in zip(
        estimator.estimators_,
        estimator.estimators_features_,
        estimator._decision_path_lengths,
        estimator._average_path_length_per_tree,
        strict=True,
    ):
        trees.append(tree_of(member.tree_, features))
        depths.append((path + average - 1.0)[:, None])
    name = float32_input(builder, x, allow_nan=True, allow_infinity=True)
    depth = outcomes.flat(builder, summed(builder, name, trees, depths))
    denominator = len(trees) * float(_average_path_length([estimator._max_samples])[0])
    if denominator == 0:
        depth, denominator = (
            builder.add("Where", [builder.add("IsNaN", [depth]), depth, double(builder, 1.0)]),
            1.0,
        )
    power = builder.add("Neg", [builder.add("Div", [depth, double(builder, denominator)])])
    score = builder.add("Neg", [builder.add("Pow", [double(builder, 2.0), power])])
    decision = builder.add("Sub", [score, double(builder, float(estimator.offset_))])
    cut = _deepest_outlier(float(estimator.offset_), denominator)
    label = outcomes.passes(builder, depth, "Greater", cut)
    return [label_of(label, _SIDES), Made("decision", decision)]


def _deepest_outlier(offset: float, denominator: float) -> float:
    """The largest depth whose decision is below 0 in numpy's own arithmetic, found by halving.

    The offset is a score of a training row where ``contamination`` is given: the last digit of a
    power, which two libraries round differently, would decide its label.
    """

    def is_outlier(depth: float) -> bool:
        score = -(2 ** (-np.divide(np.array([depth]), denominator)))
        return bool((score - offset)[0] < 0)

    low, high = -900.0 * denominator, 900.0 * denominator  # of powers that are no infinity
    if not is_outlier(low):
        return -np.inf
    while np.nextafter(low, np.inf) < high:
        middle = (low + high) / 2
        low, high = (middle, high) if is_outlier(middle) else (low, middle)
    return low


def envelope(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """EllipticEnvelope: the negative squared Mahalanobis distance, less the offset."""
    name = checked(builder, x, estimator.location_).name
    off = builder.add("Sub", [name, double(builder, estimator.location_)])
    turned = builder.add("Mul", [dot(builder, off, estimator.get_precision()), off])
    # The original takes the root and squares it again.
    root = builder.add("Sqrt", [outcomes.flat(builder, outcomes.row_sum(builder, turned))])
    score = builder.add("Neg", [builder.add("Mul", [root, root])])
    decision = builder.add("Sub", [score, double(builder, float(estimator.offset_))])
    label = outcomes.passes(builder, decision, "GreaterOrEqual")
    return [label_of(label, _SIDES), Made("decision", decision)]
