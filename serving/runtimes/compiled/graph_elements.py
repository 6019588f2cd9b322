"""Plain: the element type of each tensor of a graph, and where it must not be a whole number.

onnxruntime divides whole numbers with the processor's own instruction, which ends the process for
the smallest number by -1, and for any by 0 where it does not look. No converter divides them.
"""

from __future__ import annotations

from typing import Any

from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_reader import Graph, Node, Tensor

FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11
_TRUTHS = frozenset(
    {"And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual"}
    | {"Not", "Or"}
)
_PLACES = frozenset({"ArgMax", "ArgMin", "Shape"})
_OF_DECIMALS = frozenset({"Div", "Mod", "Reciprocal"})
_LABELS = {"values_floats": FLOAT, "values_int64s": INT64, "values_strings": STRING}


def check_elements(graph: Graph) -> None:
    """Raises GraphRefused for a division of whole numbers. The wiring was checked before."""
    known: dict[str, int | None] = {
        **{name: declared.element for name, declared in graph.inputs.items()},
        **{name: constant.element for name, constant in graph.constants.items()},
    }
    for node in graph.nodes:
        given = [known.get(name) for name in node.inputs]
        if node.operator in _OF_DECIMALS and not {FLOAT, DOUBLE}.issuperset(given):
            raise GraphRefused("graph-numbers", f"{node.operator} of whole numbers.")
        for at, name in enumerate(node.outputs):
            known[name] = _made(node, given, at)


def _made(node: Node, given: list[int | None], at: int) -> int | None:
    """The element type of the output ``at``; most operators give what they are given first."""
    if node.operator in _TRUTHS:
        return BOOL
    if node.operator in _PLACES or (node.operator == "TopK" and at == 1):
        return INT64
    if node.operator == "Cast":
        return int(node.attributes["to"])
    if node.operator == "LabelEncoder":
        return _label_element(node.attributes)
    first = 1 if node.operator == "Where" else 0
    return given[first] if first < len(given) else None


def _label_element(attributes: dict[str, Any]) -> int | None:
    tensor = attributes.get("values_tensor")
    if isinstance(tensor, Tensor):
        return tensor.element
    return next((_LABELS[name] for name in attributes if name in _LABELS), None)
