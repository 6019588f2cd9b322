"""Plain: the operators that a compiled graph may have, and what is checked of their numbers.

By default deny: a name that is not here is not opened. Nothing here makes more than its inputs and
constants have, has a graph of its own, reads a file, or draws a random number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_reader import Node, Tensor
from serving.runtimes.compiled.graph_trees import check_trees

Constants = Mapping[str, Tensor]
Check = Callable[[Node, Constants], None]

ML = "ai.onnx.ml"
# Elements that a constant shape may ask for beside the rows.
MAX_ROW_ELEMENTS = 1 << 24


def check_node(node: Node, constants: Constants) -> None:
    """Raises GraphRefused for an operator that is not on the list, or numbers that lead astray."""
    try:
        check = OPERATORS[node.domain, node.operator]
    except KeyError:
        raise GraphRefused(
            "graph-operator", f"The operator {node.operator[:60]!r} is not on the list."
        ) from None
    if check is not None:
        check(node, constants)


def constant_of(node: Node, at: int, constants: Constants, what: str) -> Tensor:
    """The input ``at``, which has to be a constant."""
    name = node.inputs[at] if at < len(node.inputs) else ""
    found = constants.get(name)
    if found is None:
        raise GraphRefused("graph-numbers", f"{what} of {node.operator} is no constant.")
    return found


def _numbers(tensor: Tensor, what: str) -> np.ndarray:
    if not isinstance(tensor.values, np.ndarray) or tensor.values.dtype.kind not in "iu":
        raise GraphRefused("graph-numbers", f"{what} is not made of whole numbers.")
    return tensor.values.astype(np.int64)


def _gather(node: Node, constants: Constants) -> None:
    """Constant indices are held against a constant's shape; others onnxruntime checks by row."""
    source = constants.get(node.inputs[0]) if node.inputs else None
    indices = constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
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


def _label_encoder(node: Node, _: Constants) -> None:
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


def _shape_first(at: int) -> Check:
    """The shape at that input is a constant of bounded size; the rows stay what is free."""

    def check(node: Node, constants: Constants) -> None:
        shape = _numbers(constant_of(node, at, constants, "The shape"), "The shape")
        sizes = np.abs(shape[shape > 0]).tolist()
        total = 1
        for size in sizes:
            total *= size
        if len(shape) > 8 or total > MAX_ROW_ELEMENTS or shape.min(initial=0) < -1:
            raise GraphRefused("graph-numbers", f"{node.operator} asks for an impossible shape.")

    return check


def _constant_inputs(*places: int) -> Check:
    """Small constants of whole numbers: axes, starts, ends, steps, sizes of parts."""

    def check(node: Node, constants: Constants) -> None:
        for at in places:
            if at < len(node.inputs) and node.inputs[at]:
                _numbers(constant_of(node, at, constants, "A parameter"), "A parameter")

    return check


def _one_hot(node: Node, constants: Constants) -> None:
    depth = _numbers(constant_of(node, 1, constants, "The depth"), "The depth")
    if depth.size != 1 or not 0 < int(depth[0]) <= MAX_ROW_ELEMENTS:
        raise GraphRefused("graph-numbers", "OneHot has an impossible depth.")


def _cast(node: Node, _: Constants) -> None:
    if node.attributes.get("to") not in (1, 6, 7, 8, 9, 11):
        raise GraphRefused("graph-numbers", "Cast makes a type that no converter needs.")


def _constant(node: Node, _: Constants) -> None:
    raise GraphRefused("graph-operator", "Constants stand beside the nodes, not among them.")


_PLAIN = (
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "Ceil", "Clip", "Concat", "Cos", "Cosh", "CumSum", "Div", "Equal", "Erf", "Exp", "Flatten",
    "Floor", "Gemm", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "Not",
    "Or", "Pow", "Reciprocal", "Relu", "Round", "Shape", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softmax", "Softplus", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "Transpose", "Where", "Xor",
    "GatherElements", "GatherND",
)  # fmt: skip
_REDUCE = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Squeeze", "Unsqueeze", "Split",
    "TopK",
)  # fmt: skip

OPERATORS: dict[tuple[str, str], Check | None] = {
    **{("", name): None for name in _PLAIN},
    **{("", name): _constant_inputs(1) for name in _REDUCE},
    ("", "Cast"): _cast,
    ("", "Constant"): _constant,
    ("", "Expand"): _shape_first(1),
    ("", "Gather"): _gather,
    ("", "OneHot"): _one_hot,
    ("", "Reshape"): _shape_first(1),
    ("", "Slice"): _constant_inputs(1, 2, 3, 4),
    (ML, "LabelEncoder"): _label_encoder,
    (ML, "TreeEnsemble"): check_trees,
}


def operators_of(domain: str) -> frozenset[str]:
    """The names of a domain, for tests and docs."""
    return frozenset(name for where, name in OPERATORS if where == domain)
