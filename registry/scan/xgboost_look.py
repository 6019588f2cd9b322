"""Plain: XGBoost models as JSON or UBJSON (the format of XGBoost 1.0 and later).

XGBoost reads the numbers of a tree without looking at them, so they are held against each other
here: lengths, children, features, categories.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from registry import strict_json
from registry.errors import DomainError
from registry.scan import ubjson
from registry.scan.finding import Finding, Refused, shown
from registry.scan.trees import CLASSES_MAX, FEATURES_MAX, NODES_MAX
from registry.scan.xgboost_trees import check_categories, check_trees, whole

JSON_MAX_BYTES = 128 << 20
UBJSON_MAX_BYTES = 512 << 20
DEPTH_MAX = 16
BOOSTERS = ("gbtree", "dart", "gblinear")
# What the binary files of old begin with: a magic, or the base score 0.5.
OLD_BINARY = (b"binf", b"\x00\x00\x00\x3f")


def look_at_xgboost(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding; raises Refused."""
    if size > UBJSON_MAX_BYTES:
        raise Refused("too-large", f"The file has {size} bytes", limit_bytes=UBJSON_MAX_BYTES)
    model = read_xgboost(file.read(size))
    learner, booster = model["learner"], model["learner"]["gradient_booster"]
    evidence |= _described(model)
    features = _check_learner(learner)
    groups = _groups(learner)
    counted = _check_booster(booster, features, groups)
    evidence |= {"features": features, **counted}
    summary = f"An XGBoost model ({evidence['booster']}, {evidence['objective']})."
    return Finding("passed", "", summary, evidence)


def read_xgboost(body: bytes) -> dict[str, Any]:
    """The model as nested values, with a learner that has a booster.

    Raises Refused for bytes that are neither JSON nor UBJSON, or hold something else.
    """
    if body.startswith(OLD_BINARY):
        raise Refused("xgboost-binary", "The file is of XGBoost's old binary format")
    try:
        if body[1:2] in b'"\n\r\t ':
            model = strict_json.loads(body, max_bytes=JSON_MAX_BYTES, max_depth=DEPTH_MAX)
        else:
            model = ubjson.loads(body)
    except (DomainError, ubjson.NotUbjson, RecursionError) as fault:
        raise malformed(f"it is neither JSON nor UBJSON: {shown(fault, 160)}") from None
    learner = model.get("learner") if isinstance(model, dict) else None
    booster = learner.get("gradient_booster") if isinstance(learner, dict) else None
    if not isinstance(booster, dict) or booster.get("name") not in BOOSTERS:
        raise malformed("it has no learner with a booster that is known")
    return model  # type: ignore[no-any-return]


def _described(model: dict[str, Any]) -> dict[str, Any]:
    version = [int(part) for part in list(model.get("version", ()))[:3]]
    learner = model["learner"]
    objective = learner.get("objective")
    name = objective.get("name") if isinstance(objective, dict) else None
    if not isinstance(name, str) or re.fullmatch(r"[\w:@.-]{1,60}", name, re.ASCII) is None:
        raise malformed("it names no objective")
    return {
        "trained_with": {"xgboost": ".".join(map(str, version))} if version else {},
        "estimator": "xgboost.Booster",
        "booster": learner["gradient_booster"]["name"],
        "objective": name,
    }


def _check_learner(learner: dict[str, Any]) -> int:
    """The number of features; their names and types are as many, or there are none."""
    param = _object(learner, "learner_model_param")
    features = whole(param.get("num_feature"))
    if not 0 < features <= FEATURES_MAX:
        raise malformed(f"it has {features} features")
    for key in ("feature_names", "feature_types"):
        names = learner.get(key, [])
        fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not fits or len(names) not in (0, features):
            raise malformed(f"{key} are not one text for each of {features} features")
    names = learner.get("feature_names", [])
    if len(set(names)) < len(names):
        raise malformed("two features have the same name")
    return features


def _groups(learner: dict[str, Any]) -> int:
    """How many numbers the model gives for a row."""
    param = learner["learner_model_param"]
    classes, targets = whole(param.get("num_class", "0")), whole(param.get("num_target", "1"))
    if not (0 <= classes <= CLASSES_MAX and 1 <= targets <= CLASSES_MAX):
        raise malformed("it has a wrong number of classes or targets")
    # Since 3.1 one score per class or target, before it a single one.
    scores = str(param.get("base_score", "")).strip("[]").split(",")
    if len(scores) not in (1, max(classes, targets)):
        raise malformed("it has another number of base scores than of outputs")
    return max(classes, targets, 1)


def _check_booster(booster: dict[str, Any], features: int, groups: int) -> dict[str, Any]:
    kind = booster["name"]
    if kind == "gblinear":
        weights: Any = _object(booster, "model").get("weights")
        if not hasattr(weights, "__len__") or len(weights) != (features + 1) * groups:
            raise malformed("it has another number of weights than of features")
        return {"weights": len(weights)}
    inner = _object(booster, "gbtree") if kind == "dart" else booster
    model = _object(inner, "model")
    trees = model.get("trees")
    if not isinstance(trees, list) or not all(isinstance(tree, dict) for tree in trees):
        raise malformed("it has no list of trees")
    _check_counts(model, len(trees), groups)
    if kind == "dart" and len(booster.get("weight_drop", ())) != len(trees):
        raise malformed("it has another number of weights than of trees")
    check_categories(model.get("cats"), features)
    nodes = check_trees(trees, features, groups)
    if nodes > NODES_MAX:
        raise Refused("too-large", f"The trees have {nodes} nodes together")
    return {"trees": len(trees), "nodes": nodes}


def _check_counts(model: dict[str, Any], trees: int, groups: int) -> None:
    param = _object(model, "gbtree_model_param")
    if whole(param.get("num_trees")) != trees:
        raise malformed("it says another number of trees than it has")
    if not 1 <= whole(param.get("num_parallel_tree", "1")) <= max(trees, 1) and trees:
        raise malformed("it has a wrong number of parallel trees")
    group_of = list(model.get("tree_info", ()))
    if len(group_of) != trees or not all(0 <= whole(group) < groups for group in group_of):
        raise malformed("tree_info does not name an output for each tree")
    if "iteration_indptr" in model:
        bounds = [whole(bound) for bound in model["iteration_indptr"]]
        if bounds[:1] != [0] or bounds[-1] != trees or bounds != sorted(bounds):
            raise malformed("iteration_indptr does not divide the trees")


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise malformed(f"it has no object {key}")
    return value


def malformed(how: str) -> Refused:
    """The refusal of a file that XGBoost would not have written."""
    return Refused("xgboost-malformed", f"The XGBoost model is refused: {how}")
