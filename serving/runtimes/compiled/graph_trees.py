"""Plain: whether the arrays of a TreeEnsemble (ai.onnx.ml 5) describe trees.

onnxruntime follows the ids in these arrays without looking, by recursion, when it opens the graph:
an id out of range reads foreign memory, a node with two parents or a cycle never ends, and a tree
deeper than the stack ends the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_reader import Node, Tensor

MAX_TREE_NODES = 20_000_000
# Of one way down, a node that asks for one of several values counting for each of them. 10,000
# were opened on a stack of 2 MiB.
MAX_DEPTH = 4_000
# The longest ways down of all trees of a graph together: so many steps one row may need.
MAX_STEPS = 200_000
MAX_TARGETS = 20_000
MAX_FEATURE = 1 << 24
_MEMBER = 6
_DOUBLE, _FLOAT, _UINT8 = 11, 1, 2
_INTS = (
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_trueleafs",
    "nodes_falseleafs",
)
_ALL = frozenset(_INTS) | {
    "aggregate_function",
    "leaf_targetids",
    "leaf_weights",
    "membership_values",
    "n_targets",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_splits",
    "post_transform",
    "tree_roots",
}


def check_trees(nodes: Iterable[Node]) -> None:
    """Raises GraphRefused where the arrays of one are no trees, or one row takes too many steps."""
    steps = 0
    for node in nodes:
        steps += _checked_steps(node)
        if steps > MAX_STEPS:
            raise GraphRefused(
                "graph-too-large", f"One row may need more than {MAX_STEPS} steps in its trees."
            )


def _checked_steps(node: Node) -> int:
    """The depths of its trees together."""
    given = node.attributes
    if set(given) - _ALL:
        raise _refused("it has an attribute that no converter writes")
    count = _check_lengths(given)
    leaves = _check_leaves(given)
    feature = _ints(given, "nodes_featureids")
    if feature.min(initial=0) < 0 or feature.max(initial=0) > MAX_FEATURE:
        raise _refused("a feature is out of range")
    true_leaf, false_leaf = _flags(given, "nodes_trueleafs"), _flags(given, "nodes_falseleafs")
    children = (_ints(given, "nodes_truenodeids"), _ints(given, "nodes_falsenodeids"))
    for ids, is_leaf in zip(children, (true_leaf, false_leaf), strict=True):
        if ((ids < 0) | (ids >= np.where(is_leaf, leaves, count))).any():
            raise _refused("a child is out of range")
    roots = _ints(given, "tree_roots")
    if not len(roots) or roots.min() < 0 or roots.max() >= count:
        raise _refused("a root is out of range")
    weight = _weights_of_depth(given, count)
    return _check_shape(roots, children, (true_leaf, false_leaf), weight)


def _check_lengths(given: Mapping[str, Any]) -> int:
    """How many nodes there are, the same in each list."""
    count = len(_ints(given, "nodes_featureids"))
    if not 0 < count <= MAX_TREE_NODES:
        raise _refused("it has no node, or too many")
    if any(len(_ints(given, name)) != count for name in _INTS):
        raise _refused("its lists differ in length")
    tracks = given.get("nodes_missing_value_tracks_true")
    if tracks is not None and len(_flags(given, "nodes_missing_value_tracks_true")) != count:
        raise _refused("its lists differ in length")
    splits, modes = _tensor(given, "nodes_splits"), _tensor(given, "nodes_modes")
    if splits.element not in (_DOUBLE, _FLOAT) or modes.element != _UINT8:
        raise _refused("its thresholds or modes are of another type")
    if splits.dims != (count,) or modes.dims != (count,) or modes.values.max() > _MEMBER:
        raise _refused("its thresholds or modes are not one for each node")
    return count


def _check_leaves(given: Mapping[str, Any]) -> int:
    """How many leaves there are."""
    targets, weights = _ints(given, "leaf_targetids"), _tensor(given, "leaf_weights")
    if not len(targets) or weights.dims != (len(targets),):
        raise _refused("its leaves have no weight each")
    if weights.element != _tensor(given, "nodes_splits").element:
        raise _refused("its weights are of another type than its thresholds")
    wide = given.get("n_targets")
    if not isinstance(wide, int) or not 0 < wide <= MAX_TARGETS:
        raise _refused("it has an impossible number of targets")
    if targets.min() < 0 or targets.max() >= wide:
        raise _refused("a leaf has a target out of range")
    if given.get("aggregate_function", 1) not in range(4):
        raise _refused("it adds its trees up in an unknown way")
    if given.get("post_transform", 0) not in range(5):
        raise _refused("it has an unknown last step")
    return len(targets)


def _weights_of_depth(given: Mapping[str, Any], count: int) -> np.ndarray:
    """How deep each node goes: 1, or as many as the values that it asks for."""
    members = np.flatnonzero(_tensor(given, "nodes_modes").values == _MEMBER)
    weight = np.ones(count, np.int64)
    asked = given.get("membership_values")
    if asked is None:
        if len(members):
            raise _refused("a node asks for values that are not there")
        return weight
    if not isinstance(asked, Tensor) or len(asked.dims) != 1:
        raise _refused("its values to ask for are no list")
    if asked.element != _tensor(given, "nodes_splits").element:
        raise _refused("its values to ask for are of another type")
    ends = np.flatnonzero(np.isnan(asked.values))
    if not len(ends) or ends[-1] != len(asked.values) - 1:
        ends = np.append(ends, len(asked.values))
    sizes = np.diff(np.concatenate(([-1], ends))) - 1
    if len(sizes) != len(members) or (len(sizes) and sizes.min() < 1):
        raise _refused("a node asks for values that are not there")
    weight[members] = sizes
    return weight


def _check_shape(
    roots: np.ndarray,
    children: tuple[np.ndarray, np.ndarray],
    is_leaf: tuple[np.ndarray, np.ndarray],
    weight: np.ndarray,
) -> int:
    """Every node is met once on the ways down from the roots, none of them too deep.

    The depths of the trees together.
    """
    met = np.zeros(len(weight), np.bool_)
    level, depth, tree = roots, np.zeros(len(roots), np.int64), np.arange(len(roots))
    deepest = np.zeros(len(roots), np.int64)
    for _ in range(MAX_DEPTH + 1):
        if not len(level):
            break
        if met[level].any() or len(np.unique(level)) < len(level):
            raise _refused("a node has two parents")
        met[level] = True
        depth = depth + weight[level]
        if depth.max() > MAX_DEPTH:
            raise _refused(f"a tree is deeper than {MAX_DEPTH}")
        np.maximum.at(deepest, tree, depth)
        inner = [~leaf[level] for leaf in is_leaf]
        level, depth, tree = (
            np.concatenate([ids[level[go]] for ids, go in zip(children, inner, strict=True)]),
            np.concatenate([depth[go] for go in inner]),
            np.concatenate([tree[go] for go in inner]),
        )
    if not met.all():
        raise _refused("a node belongs to no tree")
    return int(deepest.sum())


def _ints(given: Mapping[str, Any], name: str) -> np.ndarray:
    found = given.get(name)
    if not isinstance(found, np.ndarray) or found.dtype != np.int64:
        raise _refused(f"{name} is no list of whole numbers")
    return found


def _flags(given: Mapping[str, Any], name: str) -> np.ndarray:
    found = _ints(given, name)
    if ((found != 0) & (found != 1)).any():
        raise _refused(f"{name} is neither 0 nor 1")
    return found.astype(np.bool_)


def _tensor(given: Mapping[str, Any], name: str) -> Tensor:
    found = given.get(name)
    if not isinstance(found, Tensor) or not isinstance(found.values, np.ndarray):
        raise _refused(f"{name} is no list of numbers")
    return found


def _refused(how: str) -> GraphRefused:
    return GraphRefused("graph-trees", f"The trees are refused: {how}.")
