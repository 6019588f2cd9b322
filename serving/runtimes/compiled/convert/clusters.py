"""Clusters and mixtures of scikit-learn: the nearest centre, the likeliest component."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.extmath import row_norms

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.discriminant import less_log_sum, log_sum
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, checked, dot, double
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled


def centres(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """KMeans and MiniBatchKMeans: the first nearest centre, and the distances."""
    name = _doubles(builder, x)
    near = nearness(builder, name, estimator.cluster_centers_)
    nearest = builder.add("ArgMin", [near], axis=1, keepdims=0)
    distance = distances(builder, name, estimator.cluster_centers_)
    return [Made("prediction", nearest), Made("transform", distance)]


def nearest(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """MeanShift and AffinityPropagation: the first nearest centre."""
    return [
        Made("prediction", argmin_to(builder, _doubles(builder, x), estimator.cluster_centers_))
    ]


def argmin_to(builder: GraphBuilder, x: str, centers: Any) -> str:
    """INT64 [N]: ``pairwise_distances_argmin``, the first of the nearest centres."""
    if not len(centers):
        raise NotCompiled("no-centres", "The clustering found no centre.")
    made: str = builder.add("ArgMin", [squares_to(builder, x, centers)], axis=1, keepdims=0)
    return made


def halves(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """BisectingKMeans: at each node of its tree the nearer of two centres."""
    name = _doubles(builder, x)
    shift = getattr(estimator, "_X_mean", 0.0)
    lefts: list[Any] = []
    rights: list[Any] = []
    paths: list[dict[int, int]] = []
    found: list[int] = []
    waiting: list[tuple[Any, dict[int, int]]] = [(estimator._bisecting_tree, {})]
    while waiting:
        node, path = waiting.pop()
        if node.left is None:
            paths.append(path)
            found.append(node.label)
            continue
        at = len(lefts)
        lefts.append(node.left.center + shift)
        rights.append(node.right.center + shift)
        waiting += [(node.left, {**path, at: 0}), (node.right, {**path, at: 1})]
    label = _leaf(builder, name, np.array(lefts), np.array(rights), paths)
    index = builder.add("Gather", [builder.constant(np.array(found, np.int64)), label])
    distance = distances(builder, name, estimator.cluster_centers_)
    return [Made("prediction", index), Made("transform", distance)]


def _leaf(
    builder: GraphBuilder,
    x: str,
    lefts: np.ndarray,
    rights: np.ndarray,
    paths: list[dict[int, int]],
) -> str:
    """INT64 [N]: the path all of whose turns (node -> 0 left, 1 right) the row takes."""
    if not len(lefts):
        raise NotCompiled("no-centres", "The clustering has a single cluster.")
    nearer = [nearness(builder, x, side) for side in (rights, lefts)]
    right = builder.cast(builder.add("Less", nearer), "float64")
    turns, offsets = np.zeros((len(paths), len(lefts))), np.zeros(len(paths))
    for at, path in enumerate(paths):
        for node, turn in path.items():
            turns[at, node] = 1.0 if turn else -1.0
        offsets[at] = -sum(path.values())
    # 0 for the path taken, below 0 for the others
    return argmax(builder, dot(builder, right, turns, offsets))


def _doubles(builder: GraphBuilder, x: Matrix) -> str:
    if x.dtype == "float32":
        raise NotCompiled("float32", "The model computes distances in float32.")
    return checked(builder, x).name


def nearness(builder: GraphBuilder, x: str, centers: Any) -> str:
    """DOUBLE [N, n_centres]: the squared distance less the row's own square, as KMeans has it."""
    kept = np.ascontiguousarray(centers, dtype=np.float64)
    return dot(builder, x, -2.0 * kept, row_norms(kept, squared=True))


def squares_to(builder: GraphBuilder, x: str, centers: Any) -> str:
    """DOUBLE [N, n_centres]: squared distances by way of the rows' and the centres' squares."""
    kept = np.ascontiguousarray(centers, dtype=np.float64)
    cross = dot(builder, x, -2.0 * kept)
    squares = outcomes.row_sum(builder, builder.add("Mul", [x, x]))
    total = builder.add("Add", [cross, squares])
    total = builder.add("Add", [total, double(builder, row_norms(kept, squared=True))])
    made: str = builder.add("Max", [total, double(builder, 0.0)])
    return made


def distances(builder: GraphBuilder, x: str, centers: Any) -> str:
    """DOUBLE [N, n_centres]: ``euclidean_distances``."""
    made: str = builder.add("Sqrt", [squares_to(builder, x, centers)])
    return made


def mixture(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """GaussianMixture and BayesianGaussianMixture; the decision is ``score_samples``."""
    name = checked(builder, x, estimator.means_).name
    # What does not depend on the row comes from the original's own formulas, at a row of zeros.
    nothing = np.zeros((1, estimator.means_.shape[1]))
    given = np.asarray(estimator._estimate_weighted_log_prob(nothing))[0]
    constant = given + 0.5 * _squares_at_zero(estimator)
    halved = builder.add("Mul", [_squares(builder, estimator, name), double(builder, -0.5)])
    scores = builder.add("Add", [halved, double(builder, constant)])
    return [
        Made("prediction", argmax(builder, scores)),
        Made("probabilities", builder.add("Exp", [less_log_sum(builder, scores)])),
        Made("decision", outcomes.flat(builder, log_sum(builder, scores))),
    ]


def _factors(estimator: Any) -> list[np.ndarray]:
    """One matrix per component whose product with ``x - mean`` has the squared length wanted."""
    chol, count = np.asarray(estimator.precisions_cholesky_), len(estimator.means_)
    width = estimator.means_.shape[1]
    if estimator.covariance_type == "full":
        return list(chol)
    if estimator.covariance_type == "tied":
        return [chol] * count
    if estimator.covariance_type == "diag":
        return [np.diag(one) for one in chol]
    return [np.eye(width) * one for one in chol]


def _squares(builder: GraphBuilder, estimator: Any, x: str) -> str:
    parts = []
    for mean, factor in zip(estimator.means_, _factors(estimator), strict=True):
        off = dot(builder, x, factor.T, -(mean @ factor))
        parts.append(outcomes.row_sum(builder, builder.add("Mul", [off, off])))
    return outcomes.stacked(builder, parts)


def _squares_at_zero(estimator: Any) -> np.ndarray:
    pairs = zip(estimator.means_, _factors(estimator), strict=True)
    return np.array([np.sum(np.square(mean @ factor)) for mean, factor in pairs])
