"""XGBoost's trees out of its JSON model, in float32 as the library computes, digit for digit.

The exponential is that of glibc's ``expf``: a cubic in double on a grid of 1/32 powers of two
(ARM "optimized routines", exp2f with EXP2F_TABLE_BITS 5), rounded once.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from serving.runtimes.boosted import BoostedModel
from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, double
from serving.runtimes.compiled.convert.tree_nodes import LT, Tree, TreeTable
from serving.runtimes.compiled.convert.values import Made
from serving.runtimes.compiled.errors import NotCompiled

_STEPS = 32
_CUBIC = (
    float.fromhex("0x1.c6af84b912394p-5") / _STEPS**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / _STEPS**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / _STEPS,
)
_PER_STEP = float.fromhex("0x1.71547652b82fep+0") * _STEPS
_ROWS_TRIED = 400


def answer(builder: GraphBuilder, model: BoostedModel, x: str) -> list[Made]:
    """The blocks of an XGBoost model; ``x`` is DOUBLE [N, n_features]."""
    known: Any = model  # the runtime's own parts: booster, objective, trees that count
    learner = json.loads(bytes(known._booster.save_raw("json")))["learner"]
    boosted = learner["gradient_booster"]
    if boosted["name"] != "gbtree":
        raise NotCompiled("booster", f"The booster {boosted['name']} is not compiled.")
    narrow = builder.cast(x, "float32")
    if not known._is_in_place:
        builder.refuse(builder.any_of(builder.add("IsInf", [narrow])))
    trees, groups = _trees(known, boosted["model"])
    starts = _starts(known, learner, trees, groups)
    table = TreeTable(len(starts), np.float32)
    for target, start in enumerate(starts):
        table.constant(float(start), target)
    for (tree, leaves), target in zip(trees, groups, strict=True):
        table.add(tree, leaves, target)
    return _answers(builder, known._objective, table.emit(builder, narrow))


def _trees(known: Any, model: Any) -> tuple[list[tuple[Tree, np.ndarray]], list[int]]:
    """The trees that count, with their leaves' weights (n_nodes,), and their targets."""
    last = known._trees[1] or len(model["iteration_indptr"]) - 1
    count = model["iteration_indptr"][last]
    return [_tree(one) for one in model["trees"][:count]], model["tree_info"][:count]


def _tree(told: dict[str, Any]) -> tuple[Tree, np.ndarray]:
    if int(told["tree_param"]["size_leaf_vector"]) > 1:
        raise NotCompiled("leaf-vectors", "The leaves hold several outputs.")
    left, right = (np.array(told[f"{side}_children"]) for side in ("left", "right"))
    values = np.array(told["split_conditions"], np.float32)
    gap_left = np.array(told["default_left"], bool)
    members = {}
    spans = zip(
        told["categories_nodes"], told["categories_segments"], told["categories_sizes"], strict=True
    )
    for node, start, size in spans:
        # The set goes right there: the sides change places.
        members[int(node)] = np.array(told["categories"][start : start + size])
        left[node], right[node] = right[node], left[node]
        gap_left[node] = not gap_left[node]
    tree = Tree(left, right, np.array(told["split_indices"]), values, gap_left, members, LT)
    return tree, values


def _starts(
    known: Any, learner: Any, trees: list[tuple[Tree, np.ndarray]], groups: list[int]
) -> np.ndarray:
    """(n_targets,) float32 margins before the first tree; tried against the booster itself.

    A probability in the file becomes a margin by a logarithm whose last digit libraries differ in.
    """
    told = learner["learner_model_param"]
    base = np.atleast_1d(np.array(json.loads(told["base_score"]), np.float32))
    targets = max(int(told["num_class"]), int(told["num_target"]), 1)
    base = np.broadcast_to(base, (targets,)).astype(np.float32)
    margins = _margins(known._objective, base)
    drawn = np.random.default_rng(0).normal(size=(_ROWS_TRIED, len(known._features)))
    rows = drawn.astype(np.float32)
    for at, feature in enumerate(known._features):
        if feature.categories is not None:
            rows[:, at] = np.arange(_ROWS_TRIED) % len(feature.categories)
    wanted = known._predict(rows, output_margin=True).reshape(_ROWS_TRIED, -1)
    leaves = [weights[_leaves(tree, rows)] for tree, weights in trees]
    for steps in (0, 1, -1, 2, -2):
        tried = margins
        for _ in range(abs(steps)):
            tried = np.nextafter(tried, np.float32(np.inf * np.sign(steps)))
        total = np.tile(tried, (_ROWS_TRIED, 1))
        for weights, target in zip(leaves, groups, strict=True):
            total[:, target] += weights
        if np.array_equal(total, wanted):
            return np.asarray(tried)
    raise NotCompiled("base-score", "The sum of the trees is not what the booster answers.")


def _margins(objective: str, base: np.ndarray) -> np.ndarray:
    if objective in ("binary:logistic", "reg:logistic", "binary:logitraw"):
        if objective == "binary:logitraw":
            return base
        inverse = np.float32(1) / base - np.float32(1)
        return -np.log(inverse.astype(np.float64)).astype(np.float32)
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
        return np.log(base.astype(np.float64)).astype(np.float32)
    return base


def _leaves(tree: Tree, rows: np.ndarray) -> np.ndarray:
    """INT [n_rows]: the leaf that each row without gaps ends in."""
    at = np.zeros(len(rows), np.int64)
    while (tree.left[at] >= 0).any():
        value = rows[np.arange(len(rows)), tree.feature[at]]
        goes_left = value < tree.threshold[at]
        for node, members in tree.members.items():
            goes_left = np.where(at == node, np.isin(value, members), goes_left)
        following = np.where(goes_left, tree.left[at], tree.right[at])
        at = np.where(tree.left[at] >= 0, following, at)
    return at


def _answers(builder: GraphBuilder, objective: str, margin: str) -> list[Made]:
    wide = builder.cast(margin, "float64")
    if objective in ("multi:softprob", "multi:softmax"):
        if objective == "multi:softmax":
            raise NotCompiled("objective", "Of multi:softmax the service makes probabilities.")
        given = _softmax(builder, margin)
        return [
            Made("prediction", argmax(builder, given)),
            Made("probabilities", builder.cast(given, "float64")),
            Made("decision", wide),
        ]
    if objective == "binary:logistic":
        return _two(builder, _logistic(builder, margin), wide)
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
        wide = builder.cast(_exp(builder, margin), "float64")
    elif objective == "reg:logistic":
        wide = builder.cast(_logistic(builder, margin), "float64")
    elif objective not in _PLAIN:
        raise NotCompiled("objective", f"The objective {objective} is not compiled.")
    return [Made("prediction", outcomes.flat(builder, wide))]


_PLAIN = (
    "reg:squarederror",
    "reg:linear",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:quantileerror",
    "rank:ndcg",
    "rank:map",
    "rank:pairwise",
)


def _two(builder: GraphBuilder, second: str, margin: str) -> list[Made]:
    first = builder.add("Sub", [_single(builder, 1.0), second])
    both = builder.cast(outcomes.stacked(builder, [first, second]), "float64")
    above = builder.add("Greater", [outcomes.flat(builder, second), _single(builder, 0.5)])
    return [
        Made("prediction", builder.cast(above, "int64")),
        Made("probabilities", both),
        Made("decision", outcomes.flat(builder, margin)),
    ]


def _single(builder: GraphBuilder, value: float) -> str:
    return builder.constant(np.array(value, np.float32))


def _exp(builder: GraphBuilder, x: str) -> str:
    """FLOAT: ``expf`` of FLOAT."""
    scaled = builder.add("Mul", [builder.cast(x, "float64"), double(builder, _PER_STEP)])
    whole = builder.add("Round", [scaled])
    rest = builder.add("Sub", [scaled, whole])
    power = builder.add(
        "Pow", [double(builder, 2.0), builder.add("Div", [whole, double(builder, _STEPS)])]
    )
    cubic = _line(builder, rest, _CUBIC[0], _CUBIC[1])
    square = builder.add("Mul", [rest, rest])
    total = builder.add(
        "Add", [builder.add("Mul", [cubic, square]), _line(builder, rest, _CUBIC[2], 1.0)]
    )
    return builder.cast(builder.add("Mul", [total, power]), "float32")


def _line(builder: GraphBuilder, x: str, slope: float, shift: float) -> str:
    scaled = builder.add("Mul", [x, double(builder, slope)])
    made: str = builder.add("Add", [scaled, double(builder, shift)])
    return made


def _logistic(builder: GraphBuilder, x: str) -> str:
    """FLOAT: ``1 / (exp(min(-x, 88.7)) + 1)``."""
    cut = builder.add("Min", [builder.add("Neg", [x]), _single(builder, 88.7)])
    below = builder.add("Add", [_exp(builder, cut), _single(builder, 1.0)])
    made: str = builder.add("Div", [_single(builder, 1.0), below])
    return made


def _softmax(builder: GraphBuilder, margin: str) -> str:
    """FLOAT [N, n_classes]; the sum is one of doubles there."""
    grown = _exp(builder, builder.add("Sub", [margin, outcomes.row_max(builder, margin)]))
    total = builder.cast(outcomes.row_sum(builder, builder.cast(grown, "float64")), "float32")
    made: str = builder.add("Div", [grown, total])
    return made
