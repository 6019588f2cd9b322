"""LightGBM's trees out of its text format (version v4, "Tree=" sections of ``gbdt_model_text.cpp``)

and what its objectives make of their sum, all in double as the library computes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.runtimes.boosted import BoostedModel
from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, double, exact_sigmoid
from serving.runtimes.compiled.convert.tree_nodes import Tree, TreeTable
from serving.runtimes.compiled.convert.values import Made
from serving.runtimes.compiled.errors import NotCompiled

# Bits of decision_type: a set of categories, the default side, then what counts as missing.
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_NONE, _ZERO, _NAN = 0, 1, 2
# Numbers no larger than this are handed to the trees as 0 (kZeroThreshold of ``meta.h``).
_TINY = float(np.float32(1e-35))
_EXPONENTIAL = ("poisson", "gamma", "tweedie")


def answer(builder: GraphBuilder, model: BoostedModel, x: str) -> list[Made]:
    """The blocks of a LightGBM model; ``x`` is DOUBLE [N, n_features]."""
    booster: Any = model._booster  # type: ignore[attr-defined]  # every runtime of boosters has one
    text = str(booster.model_to_string(num_iteration=booster.best_iteration or -1))
    header, *sections = re.split(r"\nTree=\d+\n", text)
    told = dict(re.findall(r"^(\w+)=(.*)$", header, re.MULTILINE))
    if "average_output" in header.splitlines():
        raise NotCompiled("averaged-trees", "A random forest of LightGBM is not compiled.")
    trees = [_fields(section) for section in sections]
    width = int(told["max_feature_idx"]) + 1
    groups = int(told["num_tree_per_iteration"])
    table, cut = TreeTable(groups), _Cut(width)
    for at, fields in enumerate(trees):
        tree, leaves = _tree(fields, cut)
        table.add(tree, leaves, at % groups)
    raw = table.emit(builder, cut.applied(builder, x))
    return _answers(builder, told.get("objective", ""), raw, groups)


def _fields(section: str) -> dict[str, str]:
    body = section.partition("\n\n")[0]
    return dict(line.split("=", 1) for line in body.splitlines() if "=" in line)


class _Cut:
    """The columns that sets of categories test, whole numbers behind the others."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._places: dict[int, int] = {}

    def place(self, feature: int) -> int:
        """Where the feature stands cut to whole numbers."""
        return self._places.setdefault(feature, self._width + len(self._places))

    def applied(self, builder: GraphBuilder, x: str) -> str:
        """The matrix with the cut columns added."""
        if not self._places:
            return x
        picked = builder.add("Gather", [x, outcomes.places(builder, *self._places)], axis=1)
        part = builder.add("Mod", [picked, double(builder, 1.0)], fmod=1)
        return outcomes.stacked(builder, [x, builder.add("Sub", [picked, part])])


def _tree(fields: dict[str, str], cut: _Cut) -> tuple[Tree, np.ndarray]:
    """Inner nodes first, then leaves; LightGBM counts leaves as -1, -2, ..."""
    if fields.get("is_linear", "0") != "0":
        raise NotCompiled("linear-leaves", "The leaves hold linear models.")
    values = _numbers(fields["leaf_value"], float)
    if int(fields["num_leaves"]) == 1:
        lone = np.array([-1])
        return Tree(lone, lone, lone * 0, lone * 0.0, lone > 0), values
    kinds = _numbers(fields["decision_type"], int)
    count, missing = len(kinds), (kinds >> 2) & 3
    feature = _numbers(fields["split_feature"], int)
    threshold = _numbers(fields["threshold"], float)
    is_set = (kinds & _CATEGORICAL) != 0
    if ((missing == _ZERO) & ~is_set).any():
        raise NotCompiled("zero-as-missing", "The model takes 0 for a missing value.")
    # Where gaps were not seen in training, a missing number is taken for 0.
    gap_left = np.where(missing == _NAN, (kinds & _DEFAULT_LEFT) != 0, threshold >= 0)
    members = {int(at): _members(fields, int(threshold[at])) for at in np.flatnonzero(is_set)}
    for at in members:
        feature[at] = cut.place(int(feature[at]))
    nowhere = np.full(len(values), -1)
    sides = [_numbers(fields[f"{side}_child"], int) for side in ("left", "right")]
    left, right = (
        np.concatenate([np.where(side >= 0, side, count + ~side), nowhere]) for side in sides
    )
    filled = [
        np.concatenate([column, np.zeros(len(values), column.dtype)])
        for column in (feature, _past_tiny(threshold), gap_left & ~is_set)
    ]
    tree = Tree(left, right, filled[0], filled[1], filled[2], members)
    return tree, np.concatenate([np.zeros(count), values])


def _past_tiny(threshold: np.ndarray) -> np.ndarray:
    """Limits that send a tiny number where 0 goes."""
    above = np.where((threshold >= 0) & (threshold < _TINY), _TINY, threshold)
    below = (threshold < 0) & (threshold >= -_TINY)
    return np.where(below, np.nextafter(-_TINY, -np.inf), above)


def _numbers(text: str, kind: Callable[[str], Any]) -> np.ndarray:
    return np.array([kind(word) for word in text.split()])


def _members(fields: dict[str, str], at: int) -> np.ndarray:
    """The codes of a set that goes left: bits of 32-bit words between two boundaries."""
    bounds = _numbers(fields["cat_boundaries"], int)
    words = _numbers(fields["cat_threshold"], int)[bounds[at] : bounds[at + 1]]
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits)


def _answers(builder: GraphBuilder, objective: str, raw: str, groups: int) -> list[Made]:
    name, *options = objective.split()
    told = dict(option.split(":") for option in options if ":" in option)
    if name in ("binary", "multiclassova", "multiclass"):
        return _classes(builder, name, raw, float(told.get("sigmoid", 1)))
    if name in _EXPONENTIAL:
        raw = builder.add("Exp", [raw])
    elif name == "cross_entropy":
        raw = exact_sigmoid(builder, raw)
    elif name == "cross_entropy_lambda":
        raise NotCompiled("objective", f"The objective {name} is not compiled.")
    elif "sqrt" in options:
        signed = builder.add("Mul", [builder.add("Sign", [raw]), raw])
        raw = builder.add("Mul", [signed, raw])
    return outcomes.numbers_of(builder, raw, groups)


def _classes(builder: GraphBuilder, name: str, raw: str, steepness: float) -> list[Made]:
    if name == "multiclass":
        given = outcomes.softmax(builder, raw)
    else:
        given = exact_sigmoid(builder, builder.add("Mul", [raw, double(builder, steepness)]))
    if name == "binary":
        given, raw = outcomes.two_classes(builder, given), outcomes.flat(builder, raw)
    return [
        Made("prediction", argmax(builder, given)),
        Made("probabilities", given),
        Made("decision", raw),
    ]
