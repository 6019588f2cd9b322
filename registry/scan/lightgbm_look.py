"""Plain: LightGBM's text files (version v3 and v4): a header, trees, what was set at training.

LightGBM cuts the file by the sizes in the header and reads children, features and categories
without looking at them, so all of it is held against each other here.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from registry import strict_json
from registry.errors import DomainError
from registry.scan.finding import Finding, Refused, shown
from registry.scan.trees import CLASSES_MAX, FEATURES_MAX, NODES_MAX, BadTree, check_leaf_coded

MAX_BYTES = 512 << 20
HEADER_MAX_BYTES = 64 << 20
CATEGORIES_MAX_BYTES = 64 << 20
VERSIONS = ("v2", "v3", "v4")
_WHOLE = re.compile(rb"(?:-?\d{1,10}(?: -?\d{1,10})*)?")
_DECIMALS = re.compile(rb"(?:[-+0-9.eEinfa]{1,40}(?: [-+0-9.eEinfa]{1,40})*)?")
_CATEGORIES = b"pandas_categorical:"
_PER_SPLIT = (b"split_feature", b"decision_type", b"left_child", b"right_child")
_DECIMAL_PER_SPLIT = (b"threshold", b"split_gain", b"internal_value", b"internal_weight")
_DECIMAL_PER_LEAF = (b"leaf_value", b"leaf_weight")
_TREE_MEMBERS = frozenset(
    (
        *_PER_SPLIT,
        *_DECIMAL_PER_SPLIT,
        *_DECIMAL_PER_LEAF,
        *(b"num_leaves", b"num_cat", b"leaf_count", b"internal_count"),
        *(b"cat_boundaries", b"cat_threshold", b"is_linear", b"shrinkage"),
    )
)


def look_at_lightgbm(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding; raises Refused."""
    if size > MAX_BYTES:
        raise Refused("too-large", f"The file has {size} bytes", limit_bytes=MAX_BYTES)
    body = file.read(size)
    if b"\r" in body or b"\0" in body:
        raise malformed("its lines end as on Windows, or it holds zero bytes")
    header, trees_at = read_header(body)
    features, groups = _check_header(header)
    evidence |= {
        "estimator": "lightgbm.Booster",
        "model_version": header["version"],
        "objective": shown(header.get("objective", "")),
        "features": features,
    }
    trees, nodes = _check_trees(body, trees_at, header, features, groups)
    categories = pandas_categories(body)
    evidence |= {"trees": trees, "nodes": nodes, "columns_of_categories": len(categories)}
    name = evidence["objective"] or "an objective of its own"
    return Finding("passed", "", f"A LightGBM model ({name}), {trees} trees.", evidence)


def read_header(body: bytes) -> tuple[dict[str, str], int]:
    """The members of the header, and where the first tree begins. Raises Refused."""
    end = body.find(b"\nTree=0\n", 0, HEADER_MAX_BYTES)
    end = body.find(b"\nend of trees\n", 0, HEADER_MAX_BYTES) if end < 0 else end
    if not body.startswith(b"tree\n") or end < 0:
        raise malformed("it does not begin as LightGBM writes it")
    members: dict[str, str] = {}
    try:
        lines = body[:end].decode().split("\n")
    except UnicodeDecodeError:
        raise malformed("its header is not UTF-8") from None
    for line in lines[1:]:
        name, _, text = line.partition("=")
        if name in members and name:
            raise malformed(f"{shown(name)} stands twice in its header")
        members[name] = text
    return members, end + 1


def _check_header(header: dict[str, str]) -> tuple[int, int]:
    """The number of features, and of numbers that the model gives for a row."""
    if header.get("version") not in VERSIONS:
        raise malformed(f"it is of the version {shown(header.get('version'))}")
    features = _whole(header, "max_feature_idx") + 1
    names = header.get("feature_names", "").split(" ")
    if not 0 < features <= FEATURES_MAX or len(names) != features or not all(names):
        raise malformed(f"it has {features} features and names {len(names)}")
    if len(set(names)) < len(names):
        raise malformed("two features have the same name")
    if len(header.get("feature_infos", "").split(" ")) != features:
        raise malformed("feature_infos does not tell of each feature")
    classes, groups = _whole(header, "num_class"), _whole(header, "num_tree_per_iteration")
    if not 1 <= groups <= CLASSES_MAX or classes != groups:
        raise malformed(f"it has {classes} classes and {groups} trees in an iteration")
    told = re.search(r"\bnum_class:(\S+)", header.get("objective", ""))
    if told and told.group(1) != str(classes):
        raise malformed("its objective has another number of classes")
    return features, groups


def _check_trees(
    body: bytes, at: int, header: dict[str, str], features: int, groups: int
) -> tuple[int, int]:
    """How many trees and leaves there are. Each lies exactly where the header says."""
    sizes = header.get("tree_sizes", "")
    if _WHOLE.fullmatch(sizes.encode()) is None:
        raise malformed("the sizes of its trees are no numbers")
    trees = [int(size) for size in sizes.split()]
    leaves = 0
    for number, size in enumerate(trees):
        if size <= 0 or at + size > len(body):
            raise malformed(f"tree {number} does not lie in the file")
        leaves += _check_tree(number, body[at : at + size], features)
        if leaves > NODES_MAX:
            raise Refused("too-large", f"The trees have more than {NODES_MAX} leaves")
        at += size
    if not trees or len(trees) % groups or not body.startswith(b"end of trees\n", at):
        raise malformed(f"it has {len(trees)} trees, or more than its header says")
    return len(trees), leaves


def _check_tree(number: int, part: bytes, features: int) -> int:
    try:
        return _check_members(_members(number, part), features)
    except (BadTree, KeyError, ValueError) as fault:
        raise malformed(f"tree {number}: {shown(fault)}") from None


def _members(number: int, part: bytes) -> dict[bytes, bytes]:
    lines = part.rstrip(b"\n").split(b"\n")
    if lines[0] != b"Tree=%d" % number or not part.isascii():
        raise BadTree("it does not begin where the header says")
    members: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, _, text = line.partition(b"=")
        if name in members or name not in _TREE_MEMBERS:
            if name in (b"leaf_const", b"num_features", b"leaf_features", b"leaf_coeff"):
                continue  # is_linear tells of them
            raise BadTree(f"{shown(name.decode())} is unknown or stands twice")
        members[name] = text
    return members


def _check_members(members: dict[bytes, bytes], features: int) -> int:
    """The number of leaves."""
    if _one(members, b"is_linear", b"0"):
        raise BadTree("it has linear models in its leaves, which are not taken")
    leaves, cats = _one(members, b"num_leaves"), _one(members, b"num_cat")
    if not 1 <= leaves <= NODES_MAX or cats < 0:
        raise BadTree(f"it has {leaves} leaves")
    _one_decimal(members)
    _check_decimals(members, leaves)
    if leaves == 1:
        return leaves
    split, kinds, left, right = (_numbers(members, name, leaves - 1) for name in _PER_SPLIT)
    if not all(0 <= feature < features for feature in split):
        raise BadTree("a split is by a feature that there is not")
    check_leaf_coded(left, right, leaves)
    _check_categories(members, kinds, cats)
    return leaves


def _one_decimal(members: dict[bytes, bytes]) -> None:
    if re.fullmatch(rb"[-+0-9.eE]{1,40}", members[b"shrinkage"]) is None:
        raise BadTree("its shrinkage is no number")


def _check_decimals(members: dict[bytes, bytes], leaves: int) -> None:
    """Each list of decimals has an item for each leaf, or for each split."""
    counted = [(name, leaves) for name in (*_DECIMAL_PER_LEAF, b"leaf_count")]
    counted += [(name, leaves - 1) for name in (*_DECIMAL_PER_SPLIT, b"internal_count")]
    for name, count in counted:
        text = members.get(name)
        needed = name == b"leaf_value" or (name == b"threshold" and leaves > 1)
        if text is None and not needed:
            continue
        if text is None or _DECIMALS.fullmatch(text) is None:
            raise BadTree(f"{name.decode()} is no list of numbers")
        # A stump keeps empty lists, and older versions leave weights out.
        found = len(text.split())
        if found != count and (needed or found) and leaves > 1:
            raise BadTree(f"{name.decode()} has {found} items, not {count}")
    if leaves == 1 and len(members[b"leaf_value"].split()) != 1:
        raise BadTree("its one leaf has no value")


def _check_categories(members: dict[bytes, bytes], kinds: list[int], cats: int) -> None:
    """A split by categories has a number of a set as threshold; the sets lie in one list."""
    if cats:
        bounds = _numbers(members, b"cat_boundaries", cats + 1)
        last = len(members[b"cat_threshold"].split())
        _numbers(members, b"cat_threshold", last)
        if bounds[0] != 0 or bounds[-1] != last or bounds != sorted(bounds):
            raise BadTree("its categories are out of range")
    thresholds = members[b"threshold"].split()
    for kind, threshold in zip(kinds, thresholds, strict=True):
        if kind & 1 and not (threshold.isdigit() and int(threshold) < cats):
            raise BadTree("a split by category has no categories")


def _numbers(members: dict[bytes, bytes], name: bytes, count: int) -> list[int]:
    text = members[name]
    if _WHOLE.fullmatch(text) is None:
        raise BadTree(f"{name.decode()} is no list of whole numbers")
    found = [int(part) for part in text.split()]
    if len(found) != count:
        raise BadTree(f"{name.decode()} has {len(found)} items, not {count}")
    return found


def _one(members: dict[bytes, bytes], name: bytes, default: bytes = b"") -> int:
    text = members.get(name, default)
    if re.fullmatch(rb"\d{1,9}", text) is None:
        raise BadTree(f"{name.decode()} is no whole number")
    return int(text)


def _whole(header: dict[str, str], name: str) -> int:
    text = header.get(name, "")
    if not text.isascii() or re.fullmatch(r"\d{1,9}", text) is None:
        raise malformed(f"{name} is no whole number")
    return int(text)


def pandas_categories(body: bytes) -> list[list[Any]]:
    """The categories of each column that was a pandas category at training, in their order.

    LightGBM's Python package writes them as the last line. Raises Refused.
    """
    at = body.rfind(b"\n" + _CATEGORIES)
    if at < 0:
        return []
    text = body[at + 1 + len(_CATEGORIES) :].strip()
    try:
        found = strict_json.loads(text, max_bytes=CATEGORIES_MAX_BYTES)
    except DomainError as fault:
        raise malformed(f"pandas_categorical is not strict JSON: {shown(fault, 160)}") from None
    lists = [] if found is None else found
    if not isinstance(lists, list) or not all(isinstance(one, list) for one in lists):
        raise malformed("pandas_categorical is no list of lists")
    if not all(isinstance(v, str | int | float) for one in lists for v in one):
        raise malformed("pandas_categorical holds more than texts and numbers")
    return lists


def malformed(how: str) -> Refused:
    """The refusal of a file that LightGBM would not have written."""
    return Refused("lightgbm-malformed", f"The LightGBM model is refused: {how}")
