"""Nearest neighbours: the trees of points, and the rows that C looks up by index."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.metrics import DistanceMetric

from serving.runtimes.sklearn.structure.findings import array_of, indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "neighbors"
_TREE_METHODS = ("kd_tree", "ball_tree")
# Sides of ``node_bounds``: a box has two corners, a ball one centre.
_SIDES = {
    "KDTree": 2,
    "KDTree32": 2,
    "KDTree64": 2,
    "BallTree": 1,
    "BallTree32": 1,
    "BallTree64": 1,
}


def check_point_tree(tree: Any, place: Place) -> None:
    """A KDTree or BallTree by itself."""
    points = np.asarray(tree.data)
    count, width = points.shape
    state = tree.__getstate__()
    n_levels, n_nodes, metric, weights = state[5], state[6], state[11], state[12]
    order = np.asarray(tree.idx_array)
    once = len(order) == count and indices_within(order, count)
    once = once and bool((np.bincount(order, minlength=count) == 1).all())
    require(once, _KIND, place.attribute("idx_array"), f"not each of {count} points once")
    nodes = np.asarray(tree.node_data)
    fits = n_nodes >= 1 and len(nodes) == n_nodes == 2 ** min(n_levels, 62) - 1
    require(fits, _KIND, place.attribute("node_data"), f"{len(nodes)} nodes, {n_nodes} expected")
    _check_nodes(nodes, count, place.attribute("node_data"))
    bounds = np.asarray(tree.node_bounds)
    wanted = (_SIDES.get(type(tree).__name__, 0), n_nodes, width)
    fits = bounds.shape == wanted
    require(fits, _KIND, place.attribute("node_bounds"), f"{bounds.shape}, {wanted} expected")
    require(
        np.isfinite(points).all(), "not-finite", place.attribute("data"), "a point is not finite"
    )
    fits = weights is None or np.shape(weights) == (count,)
    require(fits, _KIND, place.attribute("sample_weight"), f"not {count} weights")
    check_metric(metric, place.attribute("dist_metric"), points)


def _check_nodes(nodes: np.ndarray, count: int, place: Place) -> None:
    """Node i is cut into the nodes 2i+1 and 2i+2; each stands for a run of the points."""
    start, end, is_leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    in_range = (start >= 0).all() and (start <= end).all() and (end <= count).all()
    require(in_range, _KIND, place, f"a run of points outside of 0 to {count}")
    require(start[0] == 0 and end[0] == count, _KIND, place, "the root does not hold all points")
    inner = np.flatnonzero(~is_leaf)
    left, right = 2 * inner + 1, 2 * inner + 2
    require(
        not inner.size or right.max() < len(nodes), _KIND, place, "a node has no room for children"
    )
    fits = (
        np.array_equal(start[left], start[inner])
        and np.array_equal(end[left], start[right])
        and np.array_equal(end[right], end[inner])
    )
    require(fits, _KIND, place, "two children do not hold the points of their parent")


def check_metric(metric: Any, place: Place, points: np.ndarray | None = None) -> None:
    """A distance metric by itself, and against the points that it is used on."""
    if not isinstance(metric, DistanceMetric):
        refuse("metric", place, f"a {type(metric).__name__}, a DistanceMetric expected")
    matrix = metric.__getstate__()[2]
    if type(metric).__name__.startswith("Mahalanobis"):
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        require(square, "metric", place, f"its matrix is {matrix.shape}, a square one expected")
    if points is None:
        return
    try:
        metric._validate_data(points)
    except ValueError as error:
        refuse("metric", place, f"does not suit points of {points.shape[1]} columns: {error}")


def check_neighbors(model: Any, place: Place) -> None:
    """Everything that keeps rows: rows, tree and targets fit each other."""
    held = vars(model)
    if not any(name in held for name in ("_fit_X", "_tree", "_y")):
        return
    rows = held.get("_fit_X")
    at = place.attribute("_fit_X")
    if not (isinstance(rows, np.ndarray) or sparse.issparse(rows)) or rows.ndim != 2:
        refuse(_KIND, at, f"a {type(rows).__name__}, rows of numbers expected")
    require(rows.dtype.kind in "biuf", _KIND, at, f"{rows.dtype}, numbers expected")
    count, width = rows.shape
    for name, wanted in (("n_samples_fit_", count), ("n_features_in_", width)):
        fits = held.get(name) == wanted
        require(fits, _KIND, place.attribute(name), f"{held.get(name)!r:.40}, {wanted} expected")
    _check_own_tree(model, (count, width), place)
    _check_metric_params(held.get("effective_metric_params_"), width, place)
    if held.get("_y") is not None:
        _check_targets(model, held["_y"], count, place)


def _check_own_tree(model: Any, shape: tuple[int, int], place: Place) -> None:
    method, tree = vars(model).get("_fit_method"), vars(model).get("_tree")
    if method in _TREE_METHODS:
        is_tree = type(tree).__name__ in _SIDES
        fits = is_tree and np.asarray(tree.data).shape == shape
        require(
            fits, _KIND, place.attribute("_tree"), f"no tree of {shape[0]} x {shape[1]} numbers"
        )


def _check_metric_params(found: Any, width: int, place: Place) -> None:
    """The matrices of a metric are read in C by the number of columns."""
    at = place.attribute("effective_metric_params_")
    require(found is None or isinstance(found, dict), "metric", at, "no arguments by name")
    for name, wanted in (("VI", (width, width)), ("V", (width,)), ("w", (width,))):
        matrix = (found or {}).get(name)
        # Of V there may be the whole covariance, out of which scipy makes VI.
        if matrix is not None:
            there = np.asarray(matrix).shape
            fits = there in (wanted, (width, width))
            require(fits, "metric", at.item(name), f"{there}, {wanted} expected")


def _check_targets(model: Any, found: Any, count: int, place: Place) -> None:
    at = place.attribute("_y")
    if sparse.issparse(found):
        require(found.shape[0] == count, _KIND, at, f"{found.shape[0]} rows, {count} expected")
        return
    fits = isinstance(found, np.ndarray) and found.ndim in (1, 2) and len(found) == count
    require(fits, _KIND, at, f"not one target for each of {count} rows")
    if not is_classifier(model):
        return
    labels = model.classes_ if isinstance(model.classes_, list) else [model.classes_]
    # What indexes the votes of the classes in C.
    columns = found.reshape(count, -1).T
    require(found.dtype.kind == "i" and len(labels) == len(columns), _KIND, at, "no class numbers")
    for known, column in zip(labels, columns, strict=True):
        if not indices_within(column, len(known)):
            refuse(_KIND, at, f"a class that is not one of {len(known)}")


def check_outliers(model: Any, place: Place) -> None:
    """LocalOutlierFactor: the densities belong to the rows."""
    held = vars(model)
    if "_fit_X" not in held or "_lrd" not in held:
        return
    count = held["_fit_X"].shape[0]
    array_of(held["_lrd"], _KIND, place.attribute("_lrd"), held["_lrd"].dtype, (count,))
    at = place.attribute("_distances_fit_X_")
    found = held.get("_distances_fit_X_")
    fits = isinstance(found, np.ndarray) and found.shape == (count, held.get("n_neighbors_"))
    require(fits, _KIND, at, f"not {count} rows of distances")
