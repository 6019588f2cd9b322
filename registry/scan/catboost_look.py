"""Plain: CatBoost's binary files (``.cbm``, FlabuffersModel_v1): a magic, a size, a flatbuffer.

Behind the flatbuffer follow the tables of its categories' statistics. What CatBoost looks up
without looking twice is held against its lengths here: splits, leaves, steps between nodes.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from registry.scan.finding import Finding, Refused, shown
from registry.scan.flatbuffer import BadBuffer, Table, root
from registry.scan.trees import CLASSES_MAX, FEATURES_MAX, NODES_MAX

MAX_BYTES = 512 << 20
MAGIC = b"CBM1"
VERSION = "FlabuffersModel_v1"
PARTS = ("static_provider_v1",)
DEPTH_MAX = 16
# Fields by their place in the schema: catboost/libs/model/flatbuffers/model.fbs.
_CORE_VERSION, _CORE_TREES, _CORE_TEXTS, _CORE_PARTS = 0, 1, 2, 3
_DIMENSION, _SPLITS, _SIZES, _STARTS, _CATS, _FLOATS, _ONE_HOT, _CTRS = range(8)
_LEAVES, _LEAF_WEIGHTS, _STEPS, _LEAF_OF_NODE, _TEXTS, _ESTIMATED = range(8, 14)
_MULTI_BIAS, _EMBEDDINGS = 16, 18


def look_at_catboost(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding; raises Refused."""
    if size > MAX_BYTES:
        raise Refused("too-large", f"The file has {size} bytes", limit_bytes=MAX_BYTES)
    body = memoryview(file.read(size))
    core_bytes = int.from_bytes(body[4:8], "little")
    if body[:4] != MAGIC or not 8 <= core_bytes <= len(body) - 8:
        raise _malformed("it is not as long as it says")
    try:
        core = root(body[8 : 8 + core_bytes])
        parts = core.texts(_CORE_PARTS)
        evidence |= {"estimator": "catboost.CatBoost", "parts": [shown(part) for part in parts]}
        evidence |= _texts(core) | _check_core(core)
        _check_parts(body[8 + core_bytes :], parts)
    except BadBuffer as fault:
        raise _malformed(str(fault)) from None
    return Finding("passed", "", f"A CatBoost model, {evidence['trees']} trees.", evidence)


def _texts(core: Table) -> dict[str, Any]:
    """What the model says of itself, as far as it is told in the evidence."""
    told: dict[str, Any] = {}
    for entry in core.tables(_CORE_TEXTS):
        if entry.text(0) == "catboost_version_info":
            version = re.search(r"release (\d{1,4}(?:\.\d{1,4}){1,3})", entry.text(1) or "")
            told["trained_with"] = {"catboost": version.group(1)} if version else {}
    return told


def _check_core(core: Table) -> dict[str, Any]:
    if core.text(_CORE_VERSION) != VERSION:
        raise _malformed(f"it is of the version {shown(core.text(_CORE_VERSION))}")
    trees = core.table(_CORE_TREES)
    if trees is None:
        raise _malformed("it has no trees")
    if any(trees.count(field, 4) for field in (_TEXTS, _ESTIMATED, _EMBEDDINGS)):
        raise _malformed("it has features of texts or embeddings, which are not taken")
    features = _check_features(trees)
    dimension = trees.number(_DIMENSION, "i", 0)
    sizes, starts = trees.numbers(_SIZES, "i"), trees.numbers(_STARTS, "i")
    splits = trees.numbers(_SPLITS, "i")
    if not 1 <= dimension <= CLASSES_MAX or len(splits) > NODES_MAX:
        raise _malformed(f"it has {dimension} outputs and {len(splits)} splits")
    if trees.count(_MULTI_BIAS, 8) not in (0, dimension):
        raise _malformed("it has another number of biases than of outputs")
    expected = 0
    for size, start in zip(sizes, starts, strict=False):
        if size < 0 or start != expected:
            raise _malformed("its trees do not lie one behind the other")
        expected += size
    if len(sizes) != len(starts) or expected != len(splits):
        raise _malformed("its trees have another number of splits than it says")
    _check_splits(trees, splits)
    if trees.count(_STEPS, 4):
        _check_steps(trees, sizes)
    else:
        _check_leaves(trees, sizes, dimension)
    return {"features": features, "trees": len(sizes), "splits": len(splits)}


def _check_features(trees: Table) -> int:
    """How many columns the model takes; each of them is told of once."""
    places = [feature.number(1, "i", -1) for feature in trees.tables(_CATS)]
    places += [feature.number(2, "i", -1) for feature in trees.tables(_FLOATS)]
    if not places or len(places) > FEATURES_MAX:
        raise _malformed(f"it has {len(places)} features")
    if len(set(places)) < len(places) or min(places) < 0 or max(places) >= FEATURES_MAX:
        raise _malformed("two features have the same place")
    return len(places)


def _check_splits(trees: Table, splits: Any) -> None:
    conditions = sum(len(feature.numbers(3, "f")) for feature in trees.tables(_FLOATS))
    conditions += sum(len(feature.numbers(1, "i")) for feature in trees.tables(_ONE_HOT))
    conditions += sum(len(feature.numbers(1, "f")) for feature in trees.tables(_CTRS))
    if len(splits) and not (min(splits) >= 0 and max(splits) < max(conditions, 1)):
        raise _malformed("a split is by a condition that there is not")


def _check_leaves(trees: Table, sizes: Any, dimension: int) -> None:
    """Symmetric trees: 2 to the power of the depth leaves, each with a value for each output."""
    if len(sizes) and max(sizes) > DEPTH_MAX:
        raise _malformed(f"a tree has the depth {max(sizes)}")
    leaves = sum(1 << size for size in sizes)
    if trees.count(_LEAVES, 8) != leaves * dimension:
        raise _malformed("it has another number of leaves than its trees")
    if trees.count(_LEAF_WEIGHTS, 8) not in (0, leaves):
        raise _malformed("it has another number of weights than of leaves")


def _check_steps(trees: Table, sizes: Any) -> None:
    """Other trees: each step leads forward inside of its tree, or ends at a leaf."""
    values, leaf_of = trees.count(_LEAVES, 8), trees.numbers(_LEAF_OF_NODE, "I")
    count = sum(sizes)
    if trees.count(_STEPS, 4) != count or len(leaf_of) != count:
        raise _malformed("it has another number of steps than of splits")
    steps = trees.halves(_STEPS)
    start = 0
    for size in sizes:
        for node in range(start, start + size):
            left, right = steps[2 * node], steps[2 * node + 1]
            if node + max(left, right) >= start + size:
                raise _malformed("a step leads out of its tree")
            if not (left and right) and leaf_of[node] >= values:
                raise _malformed("a node has no leaf")
        start += size


def _check_parts(rest: memoryview, parts: list[str]) -> None:
    """What follows: nothing, or a count and as many sized tables for the one part that is known."""
    if parts not in ([], list(PARTS)):
        raise _malformed(f"it has the parts {shown(parts)}")
    if not parts and rest:
        raise _malformed("bytes follow behind its end")
    if not parts:
        return
    at, count = 4, int.from_bytes(rest[:4], "little")
    for _ in range(min(count, len(rest))):
        size = int.from_bytes(rest[at : at + 4], "little")
        root(rest[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(rest):
        raise _malformed("its tables of categories are longer or shorter than they say")


def _malformed(how: str) -> Refused:
    return Refused("catboost-malformed", f"The CatBoost model is refused: {how}")
