"""Plain: the operators that a compiled graph may have, and what is checked of their numbers.

By default deny: a name that is not here is not opened. Nothing here makes more than its inputs and
constants have, has a graph of its own, reads a file, or draws a random number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_reader import MAX_DIMENSIONS, Node, Tensor


@dataclass(frozen=True, slots=True)
class Known:
    """What a node's inputs may be: constants, or outputs of nodes, both by name."""

    constants: Mapping[str, Tensor]
    made: Mapping[str, Node]


Check = Callable[[Node, Known], None]

ML = "ai.onnx.ml"
# Elements that a constant shape may ask for beside the rows.
MAX_ROW_ELEMENTS = 1 << 24


def check_node(node: Node, known: Known) -> None:
    """Raises GraphRefused for an operator that is not on the list, or numbers that lead astray."""
    try:
        check = OPERATORS[node.domain, node.operator]
    except KeyError:
        raise GraphRefused(
            "graph-operator", f"The operator {node.operator[:60]!r} is not on the list."
        ) from None
    if check is not None:
        check(node, known)


def constant_of(node: Node, at: int, known: Known, what: str) -> Tensor:
    """The input ``at``, which has to be a constant."""
    name = node.inputs[at] if at < len(node.inputs) else ""
    found = known.constants.get(name)
    if found is None:
        raise GraphRefused("graph-numbers", f"{what} of {node.operator} is no constant.")
    return found


def _numbers(tensor: Tensor, what: str) -> np.ndarray:
    if not isinstance(tensor.values, np.ndarray) or tensor.values.dtype.kind not in "iu":
        raise GraphRefused("graph-numbers", f"{what} is not made of whole numbers.")
    return tensor.values.astype(np.int64)


def _gather(node: Node, known: Known) -> None:
    """Constant indices are held against a constant's shape; others onnxruntime checks by row."""
    source = known.constants.get(node.inputs[0]) if node.inputs else None
    indices = known.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if indices is None:
        return
    wanted = _numbers(indices, "Gather")
    axis = int(node.attributes.get("axis", 0))
    size = None
    if source is not None and -len(source.dims) <= axis < len(source.dims):
        size = source.dims[axis]
    low, high = int(wanted.min(initial=0)), int(wanted.max(initial=0))
    if high >= (1 << 31 if size is None else size) or low < -(size or 1 << 31):
        raise GraphRefused("graph-numbers", "Gather takes what is not there.")


def _label_encoder(node: Node, _: Known) -> None:
    keys, values = _of_prefix(node, "keys_"), _of_prefix(node, "values_")
    if keys is None or values is None or keys != values:
        raise GraphRefused("graph-numbers", "LabelEncoder has other keys than values.")


def _of_prefix(node: Node, prefix: str) -> int | None:
    """The length of the one list whose name begins so; None without, or with several."""
    found = [value for name, value in node.attributes.items() if name.startswith(prefix)]
    if len(found) != 1:
        return None
    one = found[0]
    if isinstance(one, Tensor):
        return one.size if len(one.dims) == 1 else None
    return len(one) if isinstance(one, np.ndarray | tuple) else None


def _reshape(node: Node, known: Known) -> None:
    """The shape is a constant of bounded size; the rows stay what is free."""
    _check_shape(_numbers(constant_of(node, 1, known, "The shape"), "The shape"), node)


def _expand(node: Node, known: Known) -> None:
    """To a constant shape, or to one for each row of another tensor."""
    made = known.made.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if made is None:
        _reshape(node, known)
        return
    rows = known.made.get(made.inputs[0]) if made.operator == "Concat" and made.inputs else None
    counts_rows = rows is not None and rows.operator == "Shape" and rows.attributes == {"end": 1}
    if not counts_rows:
        raise GraphRefused("graph-numbers", "The shape of Expand is no constant.")
    parts = [constant_of(made, at, known, "The shape") for at in range(1, len(made.inputs))]
    _check_shape(np.concatenate([_numbers(part, "The shape") for part in parts]), node)


def _check_shape(shape: np.ndarray, node: Node) -> None:
    total = math.prod(shape[shape > 0].tolist())
    if len(shape) > MAX_DIMENSIONS or total > MAX_ROW_ELEMENTS or shape.min(initial=0) < -1:
        raise GraphRefused("graph-numbers", f"{node.operator} asks for an impossible shape.")


def _constant_inputs(*places: int) -> Check:
    """Small constants of whole numbers: axes, starts, ends, steps, sizes of parts."""

    def check(node: Node, known: Known) -> None:
        for at in places:
            if at < len(node.inputs) and node.inputs[at]:
                _numbers(constant_of(node, at, known, "A parameter"), "A parameter")

    return check


def _cast(node: Node, _: Known) -> None:
    if node.attributes.get("to") not in (1, 6, 7, 8, 9, 11):
        raise GraphRefused("graph-numbers", "Cast makes a type that no converter needs.")


_PLAIN = (
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Ceil", "Clip", "Concat", "Cos", "CumSum", "Div",
    "Equal", "Exp", "Floor", "GatherElements", "Greater", "GreaterOrEqual", "Identity", "IsInf",
    "IsNaN", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or",
    "Pow", "Reciprocal", "Relu", "Round", "Shape", "Sigmoid", "Sign", "Sin", "Sqrt", "Sub", "Tanh",
    "Where",
)  # fmt: skip
# Their second input says along which axes, how many, or where parts end.
_ALONG = ("ReduceMax", "ReduceSum", "ReduceSumSquare", "Split", "Squeeze", "TopK", "Unsqueeze")

OPERATORS: dict[tuple[str, str], Check | None] = {
    **{("", name): None for name in _PLAIN},
    **{("", name): _constant_inputs(1) for name in _ALONG},
    ("", "Cast"): _cast,
    ("", "Expand"): _expand,
    ("", "Gather"): _gather,
    ("", "Reshape"): _reshape,
    ("", "Slice"): _constant_inputs(1, 2, 3, 4),
    (ML, "LabelEncoder"): _label_encoder,
    # Looked at all together, by ``graph_trees``.
    (ML, "TreeEnsemble"): None,
}


def operators_of(domain: str) -> frozenset[str]:
    """The names of a domain, for tests and docs."""
    return frozenset(name for where, name in OPERATORS if where == domain)
