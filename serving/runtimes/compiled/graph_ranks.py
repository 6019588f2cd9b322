"""Plain: how many dimensions each tensor of a graph may have.

Each Unsqueeze adds one, and onnxruntime takes seconds and gigabytes to open a graph in which
thousands of them stand in a row (measured with 1.32: 1 GB for 5,000). No converter goes beyond a
handful.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_reader import MAX_DIMENSIONS, Graph, Node

_PLACES = frozenset({"ArgMax", "ArgMin"})


def check_ranks(graph: Graph) -> None:
    """Raises GraphRefused for a tensor of too many dimensions. The wiring was checked before."""
    ranks = {
        **{name: len(declared.dims) for name, declared in graph.inputs.items()},
        **{name: len(constant.dims) for name, constant in graph.constants.items()},
    }
    sizes = {name: constant.size for name, constant in graph.constants.items()}
    for node in graph.nodes:
        rank = _rank(node, ranks, sizes)
        if rank > MAX_DIMENSIONS:
            text = f"{node.operator} makes a tensor of more than {MAX_DIMENSIONS} dimensions."
            raise GraphRefused("graph-numbers", text)
        ranks.update(dict.fromkeys(node.outputs, rank))


def _rank(node: Node, ranks: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    """At most so many dimensions; where it is not known, as many as the input with the most."""
    given = [ranks.get(name, 0) for name in node.inputs]
    first, second = [*given, 0, 0][:2]
    named = sizes.get(node.inputs[1], 0) if len(node.inputs) > 1 else 0
    told = node.attributes.get("keepdims")
    keeps = not isinstance(told, int) or told != 0
    if node.operator == "Unsqueeze":
        return first + named
    if node.operator == "Squeeze" or (node.operator.startswith("Reduce") and not keeps):
        return max(first - min(named, 1), 0)  # an axis may be named more than once
    if node.operator in _PLACES and not keeps:
        return max(first - 1, 0)
    if node.operator == "Gather":
        return max(first + second - 1, 0)
    if node.operator == "Reshape":
        return named
    if node.operator == "Expand":
        return max(first, named)
    return max(given, default=0)
