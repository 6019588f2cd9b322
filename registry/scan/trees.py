"""Plain: what every file of decision trees has to hold, because the libraries trust its numbers.

A child beyond the arrays is read out of bounds, a circle is walked for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

NODES_MAX = 4_000_000
CLASSES_MAX = 10_000
FEATURES_MAX = 1_000_000


class BadTree(ValueError):
    """A tree that cannot be walked; ``str()`` says why."""


def splits_of(left: Sequence[int], right: Sequence[int]) -> list[int]:
    """The nodes with children that the root, node 0, leads to; ``left`` is -1 for a leaf.

    Raises BadTree for a child out of range and for a node with two parents, circles included.
    """
    count = len(left)
    seen = bytearray(count)
    splits: list[int] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        if seen[node]:
            raise BadTree("a node has two parents")
        seen[node] = 1
        one, other = left[node], right[node]
        if one == -1:
            continue
        if not (0 <= one < count and 0 <= other < count):
            raise BadTree("a child is out of range")
        splits.append(node)
        waiting += (one, other)
    return splits


def check_leaf_coded(left: Sequence[int], right: Sequence[int], leaves: int) -> None:
    """Trees whose children are nodes from 0 on, or leaves as ``-1 - number``.

    Raises BadTree unless every node and every leaf has exactly one parent.
    """
    nodes_met, leaves_met = bytearray(len(left)), bytearray(leaves)
    waiting = [0]
    while waiting:
        node = waiting.pop()
        met = nodes_met if node >= 0 else leaves_met
        at = node if node >= 0 else -1 - node
        if at >= len(met):
            raise BadTree("a child is out of range")
        if met[at]:
            raise BadTree("a node has two parents")
        met[at] = 1
        if node >= 0:
            waiting += (left[node], right[node])
    if not (all(nodes_met) and all(leaves_met)):
        raise BadTree("a node or a leaf is not reached")
