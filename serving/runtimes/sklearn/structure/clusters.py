"""Clusterings that keep more than rows of centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster._bisect_k_means import _BisectingTree

from serving.runtimes.sklearn.structure.findings import refuse, require
from serving.runtimes.sklearn.structure.walk import Place


def check_bisecting(model: Any, place: Place) -> None:
    """The tree of a BisectingKMeans: each node once, or following it takes for ever."""
    root = vars(model).get("_bisecting_tree")
    if root is None:
        return
    width, seen, leaves = model.n_features_in_, set[int](), 0
    waiting = [(root, place.attribute("_bisecting_tree"))]
    while waiting:
        node, at = waiting.pop()
        require(isinstance(node, _BisectingTree), "centers", at, f"a {type(node).__name__}")
        require(id(node) not in seen, "centers", at, "a node is reached twice")
        seen.add(id(node))
        if node is not root:  # nobody looks at the centre of all rows
            _check_centre(node.center, width, at.attribute("center"))
        if (node.left is None) != (node.right is None):
            refuse("centers", at, "a node with one child: 0 or 2 fit")
        if node.left is None:
            leaves += 1
            continue
        waiting += [(node.left, at.attribute("left")), (node.right, at.attribute("right"))]
    fits = leaves == len(model.cluster_centers_)
    require(fits, "centers", place.attribute("_bisecting_tree"), f"{leaves} leaves are no clusters")


def _check_centre(centre: Any, width: int, place: Place) -> None:
    fits = isinstance(centre, np.ndarray) and centre.shape == (width,)
    require(fits, "centers", place, f"not a centre of {width} numbers")
    require(np.isfinite(centre).all(), "not-finite", place, "holds a NaN or an infinity")


def check_agglomeration(model: Any, place: Place) -> None:
    """FeatureAgglomeration counts its labels: one that is huge would take all memory."""
    labels = vars(model).get("labels_")
    if labels is None:
        return
    at = place.attribute("labels_")
    fits = isinstance(labels, np.ndarray) and labels.dtype.kind == "i" and labels.ndim == 1
    fits = fits and len(labels) == vars(model).get("n_features_in_")
    require(fits, "centers", at, "not one label for each column")
    in_range = not labels.size or (labels.min() >= 0 and labels.max() < len(labels))
    require(in_range, "centers", at, f"a label that is not one of {len(labels)}")
