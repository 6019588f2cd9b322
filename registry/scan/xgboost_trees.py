"""Plain: the trees and the categories in an XGBoost model, held to what its own code relies on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from registry.scan.finding import Refused
from registry.scan.trees import CLASSES_MAX, BadTree, splits_of

# One array item per node. The first five are read for each row.
_PER_NODE = ("left_children", "right_children", "split_indices", "split_conditions")
_PER_NODE_TOO = ("default_left", "loss_changes", "sum_hessian", "parents", "split_type")
_CATEGORICAL = ("categories_nodes", "categories_segments", "categories_sizes")
# What the root has in their place; the larger one is written.
_NO_PARENT = (2**31 - 1, -1)
CATEGORY_MAX = 1 << 24
# Each split by categories is a set of bits, as many as its highest category.
BITS_MAX = 1 << 31


def check_trees(trees: Sequence[dict[str, Any]], features: int, groups: int) -> int:
    """How many nodes the trees have together. Raises Refused."""
    nodes = bits = 0
    for number, tree in enumerate(trees):
        if whole(tree.get("id", number)) != number:
            raise _malformed(number, "its id is that of another")
        try:
            count, more = _check_tree(number, tree, features, groups)
        except (BadTree, TypeError, KeyError) as fault:
            raise _malformed(number, str(fault)) from None
        nodes, bits = nodes + count, bits + more
        if bits > BITS_MAX:
            raise Refused("too-large", "The sets of categories are too large")
    return nodes


def _check_tree(number: int, tree: dict[str, Any], features: int, groups: int) -> tuple[int, int]:
    param = tree["tree_param"]
    count, width = whole(param["num_nodes"]), whole(param.get("size_leaf_vector", "1"))
    if count < 1 or width not in (0, 1, groups) or width > CLASSES_MAX:
        raise _malformed(number, f"it has {count} nodes and {width} values in a leaf")
    for key in (*_PER_NODE, *_PER_NODE_TOO):
        if key in _PER_NODE or key in tree:
            _check_length(number, key, tree.get(key), count)
    left, right = _whole_numbers(tree["left_children"]), _whole_numbers(tree["right_children"])
    splits = splits_of(left, right)
    indices = _whole_numbers(tree["split_indices"])
    if not all(0 <= indices[node] < features for node in splits):
        raise _malformed(number, "a split is by a feature that there is not")
    if "parents" in tree and not _are_parents(_whole_numbers(tree["parents"]), left, right, splits):
        raise _malformed(number, "a node is told to have another parent than it has")
    _check_leaves(number, tree, count, width)
    return count, _check_category_splits(number, tree, splits)


def _are_parents(
    parents: Sequence[int], left: Sequence[int], right: Sequence[int], splits: Sequence[int]
) -> bool:
    """Prediction goes up by these numbers, too."""
    return parents[0] in _NO_PARENT and all(
        parents[left[node]] == parents[right[node]] == node for node in splits
    )


def _check_leaves(number: int, tree: dict[str, Any], count: int, width: int) -> None:
    if width <= 1:
        _check_length(number, "base_weights", tree.get("base_weights"), count)
        return
    left, right = tree["left_children"], tree["right_children"]
    leaves = [right[node] for node in range(count) if left[node] == -1]
    _check_length(number, "base_weights", tree.get("base_weights"), count * width)
    if "leaf_weights" in tree:
        _check_length(number, "leaf_weights", tree["leaf_weights"], len(leaves) * width)
        if not all(0 <= leaf < len(leaves) for leaf in leaves):
            raise _malformed(number, "a leaf is out of range")


def _check_category_splits(number: int, tree: dict[str, Any], splits: Sequence[int]) -> int:
    """The bits of all sets of categories in the tree."""
    nodes, starts, sizes = (_whole_numbers(tree.get(key, ())) for key in _CATEGORICAL)
    categories = _whole_numbers(tree.get("categories", ()))
    if not len(nodes) == len(starts) == len(sizes) or sorted(set(nodes)) != list(nodes):
        raise _malformed(number, "its splits by category are not told node by node")
    kinds = tree.get("split_type")
    by_category = {node for node in splits if kinds is not None and kinds[node] == 1}
    if not by_category <= set(nodes) or not set(nodes) <= set(range(len(kinds or ()))):
        raise _malformed(number, "a split by category has no categories")
    bits = 0
    for start, size in zip(starts, sizes, strict=True):
        if start < 0 or size < 1 or start + size > len(categories):
            raise _malformed(number, "its categories are out of range")
        chosen = categories[start : start + size]
        if min(chosen) < 0 or max(chosen) >= CATEGORY_MAX:
            raise _malformed(number, "it has a category out of range")
        bits += max(chosen) + 1
    return bits


def check_categories(cats: Any, features: int) -> None:
    """The names of the categories, which XGBoost 3.1 and later keeps. Raises Refused."""
    if cats is None:
        return
    names = categories_of(cats)
    segments = _whole_numbers(cats.get("feature_segments", ()))
    expected = [0]
    for values in names:
        expected.append(expected[-1] + len(values))
    if names and (len(names) != features or list(segments) != expected):
        raise _categories("they are not told feature by feature")
    order = list(_whole_numbers(cats.get("sorted_idx", ())))
    for start, end in pairwise(expected):
        if sorted(order[start:end]) != list(range(end - start)):
            raise _categories("their order is wrong")


def categories_of(cats: Any) -> list[list[Any]]:
    """The categories of each feature, texts or numbers, in the order of their codes.

    Empty lists for features without, an empty list for a model without any. Raises Refused.
    """
    entries = cats.get("enc") if isinstance(cats, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _categories("they are not told feature by feature")
    return [_values(entry) for entry in entries]


def _values(entry: dict[str, Any]) -> list[Any]:
    values = list(entry.get("values", ()))
    if "offsets" not in entry:
        if not all(type(value) in (int, float) for value in values):
            raise _categories("one is neither a text nor a number")
        return values
    offsets = list(_whole_numbers(entry["offsets"]))
    if not offsets and not values:
        return []
    if offsets[:1] != [0] or offsets[-1] != len(values) or offsets != sorted(offsets):
        raise _categories("their texts are out of range")
    try:
        body = bytes(value & 0xFF for value in values)
    except TypeError:
        raise _categories("one is no text") from None
    if 0 in body:
        raise _categories("one holds the character 0")
    if not body.isascii():
        # Seen in 3.2: it counts characters and copies as many bytes, so the texts run together.
        raise _categories("XGBoost cuts texts off that have letters beyond ASCII; rename them")
    return [body[start:end].decode() for start, end in pairwise(offsets)]


def whole(value: Any) -> int:
    """A whole number, which XGBoost also writes as text. Raises Refused."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit():
        return int(value[:20])
    raise Refused("xgboost-malformed", "The XGBoost model is refused: a number in it is none")


def _whole_numbers(values: Any) -> Sequence[int]:
    if getattr(values, "typecode", None) in ("b", "B", "h", "i", "q"):
        return values  # type: ignore[no-any-return]
    if not isinstance(values, list | tuple) or not all(type(value) is int for value in values):
        raise BadTree("a list of whole numbers is none")
    return values


def _check_length(number: int, key: str, values: Any, count: int) -> None:
    if not hasattr(values, "__len__") or len(values) != count:
        raise _malformed(number, f"{key} has another length than {count}")


def _categories(how: str) -> Refused:
    return Refused("xgboost-malformed", f"The XGBoost model's categories are refused: {how}")


def _malformed(number: int, how: str) -> Refused:
    return Refused("xgboost-malformed", f"The XGBoost model's tree {number} is refused: {how}")
