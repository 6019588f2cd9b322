"""Decision trees and their ensembles: the C code follows children and features unchecked.

A child out of range reads foreign memory, a child that leads back never ends, and every tree of a
forest is applied to the forest's X without looking at its width again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.sklearn.structure.findings import array_of, indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_LEAF = -1


def check_tree(tree: Any, place: Place) -> None:
    """A ``sklearn.tree._tree.Tree`` by itself."""
    count = tree.node_count
    # First of all: the arrays below are views of as many nodes as it claims to have.
    if not 1 <= count <= tree.capacity:
        refuse("tree", place, f"{count} nodes are claimed and {tree.capacity} are there")
    left, right = tree.children_left, tree.children_right
    inner = left != _LEAF
    require(
        np.array_equal(inner, right != _LEAF), "tree", place, "a node with one child: 0 or 2 fit"
    )
    check_children(np.flatnonzero(inner), left[inner], right[inner], count, "tree", place)
    if not indices_within(tree.feature[inner], tree.n_features):
        refuse("tree", place, f"a node tests a feature that is not one of {tree.n_features}")
    if np.isnan(tree.threshold[inner]).any():
        refuse("not-finite", place, "a threshold is NaN")
    if not np.isfinite(tree.value).all():
        refuse("not-finite", place, "a node's value is no finite number")


def check_children(
    parents: np.ndarray, left: np.ndarray, right: np.ndarray, count: int, kind: str, place: Place
) -> None:
    """Every node but the root is the child of exactly one node that comes before it."""
    children = np.concatenate([left, right]).astype(np.int64)
    if not indices_within(children, count):
        refuse(kind, place, f"a child is out of range: nodes 0 to {count - 1} are there")
    if (children <= np.concatenate([parents, parents])).any():
        refuse(kind, place, "a child comes before its parent, so that following it may not end")
    reached = np.zeros(count, dtype=bool)
    reached[children] = True
    if children.size != count - 1 or not reached[1:].all():
        refuse(
            kind, place, "a node is reached twice or never: each one but the root is reached once"
        )


def check_decision_tree(model: Any, place: Place) -> None:
    """A single tree against the estimator that holds it."""
    tree = vars(model).get("tree_")
    if tree is None:
        return
    at = place.attribute("tree_")
    _is_wide("n_features_in_", model, tree.n_features, at)
    require(
        tree.n_outputs == getattr(model, "n_outputs_", tree.n_outputs),
        "tree",
        at,
        f"{tree.n_outputs} outputs, but the estimator has another number",
    )
    known = np.atleast_1d(getattr(model, "n_classes_", 1)).tolist()
    classes = np.asarray(tree.n_classes).tolist()
    if hasattr(model, "classes_") and known != classes:
        refuse("tree", at, f"classes {classes}, but the estimator has {known}"[:180])
    labels = getattr(model, "classes_", None)
    several: list[Any] = labels if isinstance(labels, list) else [labels]
    if labels is not None and [len(one) for one in several] != known:
        refuse(
            "tree", place.attribute("classes_"), f"not as many labels as n_classes_ {known}"[:180]
        )


def check_forest(forest: Any, place: Place) -> None:
    """All trees of a forest take its X and answer alike."""
    for at, tree in enumerate(_trees(forest)):
        here = place.attribute("estimators_").item(at)
        _is_wide("n_features_in_", forest, getattr(tree, "n_features_in_", None), here)
        _same("n_outputs_", forest, tree, here)
        _same("n_classes_", forest, tree, here)


def check_boosting(model: Any, place: Place) -> None:
    """Gradient boosting: one column of trees per class, which C writes without looking."""
    trees = vars(model).get("estimators_")
    if trees is None:
        return
    at = place.attribute("estimators_")
    n_classes = getattr(model, "n_classes_", 1)
    columns = n_classes if n_classes > 2 else 1
    array_of(trees, "tree", at, object, (None, columns))
    for name in ("n_trees_per_iteration_",):
        if vars(model).get(name, columns) != columns:
            refuse("tree", place.attribute(name), f"is not {columns}, the width of estimators_")
    for number, tree in enumerate(trees.ravel().tolist()):
        here = at.item(number)
        held = vars(tree).get("tree_")
        require(held is not None, "tree", here, "no fitted tree")
        _is_wide("n_features_in_", model, held.n_features, here)
        fits = held.n_outputs == 1 and held.max_n_classes == 1
        require(fits, "tree", here, "a tree with several outputs where one value is added up")
    _check_start(model, columns, n_classes, place)


def _check_start(model: Any, columns: int, n_classes: int, place: Place) -> None:
    """What boosting starts from has as many columns as the trees add to."""
    labels = getattr(model, "classes_", None)
    if labels is not None and len(labels) != n_classes:
        refuse("tree", place.attribute("classes_"), f"{len(labels)} labels, {n_classes} expected")
    loss = getattr(model, "_loss", None)
    if loss is not None and bool(loss.is_multiclass) != (columns > 1):
        refuse("tree", place.attribute("_loss"), "a loss for another number of classes")
    init = getattr(model, "init_", None)
    known = getattr(init, "classes_", None)
    if labels is not None and known is not None and len(known) != n_classes:
        refuse("tree", place.attribute("init_"), f"{len(known)} classes, {n_classes} expected")


def check_subsets(model: Any, place: Place) -> None:
    """Bagging: which columns each estimator takes."""
    chosen = vars(model).get("estimators_features_")
    if chosen is None:
        return
    at = place.attribute("estimators_features_")
    estimators = vars(model).get("estimators_", ())
    require(
        len(chosen) == len(estimators),
        "columns",
        at,
        f"not one entry per {len(estimators)} estimators",
    )
    for number, (columns, one) in enumerate(zip(chosen, estimators, strict=True)):
        found = np.asarray(columns)
        fits = found.ndim == 1 and found.dtype.kind in "iu"
        if not fits or not indices_within(found, model.n_features_in_):
            refuse("columns", at.item(number), f"no list of columns below {model.n_features_in_}")
        width = getattr(one, "n_features_in_", found.size)
        require(
            width == found.size,
            "columns",
            at.item(number),
            f"not the {width} that its estimator takes",
        )


def check_isolation(model: Any, place: Place) -> None:
    """Isolation forests hand their trees an X that is not looked at again."""
    chosen = vars(model).get("estimators_features_")
    if chosen is None:
        return
    width = vars(model).get("_max_features")
    if any(len(columns) != width for columns in chosen):
        refuse("columns", place.attribute("_max_features"), "not the columns that each tree takes")
    lengths = vars(model).get("_decision_path_lengths") or ()
    for name in ("_decision_path_lengths", "_average_path_length_per_tree"):
        held = vars(model).get(name)
        if held is not None and len(held) != len(chosen):
            refuse("tree", place.attribute(name), f"not one entry per {len(chosen)} trees")
    for number, (found, one) in enumerate(zip(lengths, model.estimators_, strict=True)):
        if len(found) != one.tree_.node_count:
            refuse("tree", place.attribute("_decision_path_lengths").item(number), "not the nodes")


def _trees(forest: Any) -> list[Any]:
    return list(vars(forest).get("estimators_") or ())


def _is_wide(name: str, model: Any, width: Any, place: Place) -> None:
    """Without ``n_features_in_`` scikit-learn would take an X of any width."""
    wanted = vars(model).get(name)
    require(
        isinstance(wanted, int | np.integer) and wanted == width,
        "tree",
        place,
        f"takes {width} features, but {name} is {wanted!r:.40}",
    )


def _same(name: str, forest: Any, tree: Any, place: Place) -> None:
    mine: Any = getattr(forest, name, None)
    theirs: Any = getattr(tree, name, None)
    if mine is not None and not np.array_equal(mine, theirs):
        refuse("tree", place, f"{name} is not that of the forest")
