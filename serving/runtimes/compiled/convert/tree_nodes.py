"""Trees as one TreeEnsemble node (ai.onnx.ml 5, onnx.ai) in double.

Of a target's leaves, onnxruntime sums in the order of the trees, from zero, in float64: so does
scikit-learn. A leaf has one target there; where it has many values, the node tells the leaf and the
values are gathered, or the tree stands there once per value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.graph import GraphBuilder, Integers
from serving.runtimes.compiled.convert.outcomes import places

LEQ, LT, MEMBER = 0, 1, 6
SUM, NO_TRANSFORM = 1, 0
# From this many values a leaf on, gathering them is faster than to walk the tree for each.
COPIES = 2


@dataclass(frozen=True, slots=True)
class Tree:
    """Arrays (n_nodes,), the root first; a leaf has -1 on both sides.

    A row goes left when its value is ``<= threshold`` (``<`` where the test is LT), or in
    ``members[node]`` where the node has members; a missing one when ``missing_left``.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    members: dict[int, np.ndarray] = field(default_factory=dict)
    test: int = LEQ


class TreeTable:
    """The attributes of one TreeEnsemble, filled tree by tree.

    ``dtype`` is that of thresholds, leaves and sums, and of the matrix that it is given.
    """

    def __init__(self, n_targets: int, dtype: Any = np.float64) -> None:
        self._dtype = dtype
        self._n_targets = n_targets
        self._nodes = self._leaves = 0
        self._roots: list[int] = []
        self._columns: dict[str, list[np.ndarray]] = {}
        self._members: list[np.ndarray] = []

    def add(self, tree: Tree, weights: np.ndarray, target: int) -> None:
        """A tree that adds its leaf's weight (n_nodes,) to one target."""
        if tree.left[0] < 0:
            self.constant(float(weights[0]), target)
            return
        is_leaf = tree.left < 0
        inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
        place = np.empty(len(is_leaf), np.int64)
        place[inner] = np.arange(len(inner)) + self._nodes
        place[leaves] = np.arange(len(leaves)) + self._leaves
        sides = tree.left[inner], tree.right[inner]
        modes = np.full(len(inner), tree.test, np.uint8)
        splits = tree.threshold[inner].astype(self._dtype)
        for at in sorted(tree.members):
            node = np.searchsorted(inner, at)
            modes[node], splits[node] = self._member_test(tree.members[at])
        self._append(
            features=tree.feature[inner],
            splits=splits,
            modes=modes,
            missing=tree.missing_left[inner],
            true=place[sides[0]],
            true_leaf=is_leaf[sides[0]],
            false=place[sides[1]],
            false_leaf=is_leaf[sides[1]],
            weights=weights[leaves],
            targets=np.full(len(leaves), target),
        )

    def _member_test(self, members: np.ndarray) -> tuple[int, float]:
        """Mode and split of a test for a set; an empty one splits by gaps alone."""
        if not len(members):
            return LEQ, -np.inf
        self._members.append(np.append(members, np.nan).astype(self._dtype))
        return MEMBER, 0.0

    def constant(self, weight: float, target: int) -> None:
        """A tree of one leaf, which is a split with the same leaf on both sides."""
        self._append(
            features=np.zeros(1),
            splits=np.zeros(1),
            modes=np.full(1, LEQ, np.uint8),
            missing=np.zeros(1),
            true=np.full(1, self._leaves),
            true_leaf=np.ones(1),
            false=np.full(1, self._leaves + 1),
            false_leaf=np.ones(1),
            weights=np.full(2, weight),
            targets=np.full(2, target),
        )

    def _append(self, **columns: np.ndarray) -> None:
        self._roots.append(self._nodes)
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)
        self._nodes += len(columns["features"])
        self._leaves += len(columns["weights"])

    def emit(self, builder: GraphBuilder, x: str) -> str:
        """DOUBLE [N, n_targets]: the sums for ``x`` DOUBLE [N, n_features]."""
        joined = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        members = np.concatenate(self._members) if self._members else None
        whole: dict[str, Any] = {
            name: Integers(joined[column])
            for name, column in (
                ("nodes_featureids", "features"),
                ("nodes_truenodeids", "true"),
                ("nodes_trueleafs", "true_leaf"),
                ("nodes_falsenodeids", "false"),
                ("nodes_falseleafs", "false_leaf"),
                ("leaf_targetids", "targets"),
            )
        }
        if joined["missing"].any():
            whole["nodes_missing_value_tracks_true"] = Integers(joined["missing"])
        made: str = builder.ml(
            "TreeEnsemble",
            [x],
            n_targets=self._n_targets,
            aggregate_function=SUM,
            post_transform=NO_TRANSFORM,
            tree_roots=Integers(np.array(self._roots)),
            nodes_modes=joined["modes"].astype(np.uint8),
            nodes_splits=joined["splits"].astype(self._dtype),
            leaf_weights=joined["weights"].astype(self._dtype),
            membership_values=members,
            **whole,
        )
        return made


def summed(
    builder: GraphBuilder, x: str, trees: Sequence[Tree], values: Sequence[np.ndarray]
) -> str:
    """DOUBLE [N, n_values]: the leaves' values (n_nodes, n_values), added in the order of trees."""
    width = values[0].shape[1]
    if width > COPIES:
        return _gathered(builder, x, trees, values)
    table = TreeTable(width)
    for tree, weights in zip(trees, values, strict=True):
        for target in range(width):
            table.add(tree, weights[:, target], target)
    return table.emit(builder, x)


def _gathered(
    builder: GraphBuilder, x: str, trees: Sequence[Tree], values: Sequence[np.ndarray]
) -> str:
    table, offset = TreeTable(len(trees)), 0
    kept = []
    for target, (tree, rows) in enumerate(zip(trees, values, strict=True)):
        is_leaf = tree.left < 0
        table.add(tree, np.cumsum(is_leaf) - 1.0 + offset, target)
        offset += int(is_leaf.sum())
        kept.append(rows[is_leaf])
    places_of = builder.cast(table.emit(builder, x), "int64")
    leaves = builder.constant(np.concatenate(kept).astype(np.float64))
    found = builder.add("Gather", [leaves, places_of], axis=0)
    # One after the other: a sum over the axis would add them in another order.
    ordered = builder.add("CumSum", [found, builder.constant(1)])
    last: str = builder.add("Gather", [ordered, builder.constant(len(trees) - 1)], axis=1)
    return last if len(trees) > 1 else builder.add("Squeeze", [found, places(builder, 1)])


def halfway(thresholds: np.ndarray) -> np.ndarray:
    """Double limits for values that are cast to float32 and then compared ``<= threshold``.

    The largest double whose nearest float32 (ties to even, IEEE 754) is at most the threshold, so
    that the graph compares the value itself: ``float32(v) <= t`` exactly when ``v <= limit``.
    """
    with np.errstate(over="ignore"):
        below = thresholds.astype(np.float32)
        above = below > thresholds
        below[above] = np.nextafter(below[above], np.float32(-np.inf))
        following = np.nextafter(below, np.float32(np.inf)).astype(np.float64)
    # What would follow the largest float32, did it have another exponent: up to there it rounds.
    following = np.where(np.isposinf(following), 2.0**128, following)
    middle = (below.astype(np.float64) + following) / 2
    is_odd = (below.view(np.int32) & 1).astype(bool)
    return np.where(is_odd, np.nextafter(middle, -np.inf), middle)
