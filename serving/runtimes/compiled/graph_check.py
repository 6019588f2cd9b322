"""Plain: whether a graph is one that the converters write. Nothing of it is executed.

The bytes come out of a process that ran an untrusted model, and web and worker processes open them
with onnxruntime, which trusts the numbers of some operators. What is checked here: operators on a
list, constants as long as their shapes, every tensor made once and before it is used, trees that
are trees, inputs exactly those of the signature, and a layout whose tensors are there. What
onnxruntime checks itself at each run (feature ids, indices of Gather, shapes that fit each other)
is held to it by tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.signature.types import Column, Signature
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_elements import (
    BOOL,
    DOUBLE,
    INT64,
    STRING,
    check_elements,
)
from serving.runtimes.compiled.graph_layout import Layout, read_layout
from serving.runtimes.compiled.graph_memory import reckoned_bytes
from serving.runtimes.compiled.graph_operators import Known, check_node
from serving.runtimes.compiled.graph_ranks import check_ranks
from serving.runtimes.compiled.graph_reader import Declared, Graph, read_graph
from serving.runtimes.compiled.graph_trees import check_trees

OPSETS = {"": range(13, 24), "ai.onnx.ml": range(3, 6)}
_ANSWERS = {INT64, STRING, BOOL, DOUBLE}
# Types whose values a double holds exactly, and which one matrix may bring together.
_IN_MATRIX = frozenset(
    {"boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32"}
    | {"float64"}
)
_REFUSED_TYPES = frozenset({"datetime", "date"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A graph that may be opened: its layout, and about what it takes in memory then."""

    layout: Layout
    memory_bytes: int


def check_graph(content: bytes, signature: Signature) -> Checked:
    """Raises GraphRefused with what is wrong."""
    graph = read_graph(content)
    layout = read_layout(graph.metadata)
    _check_opsets(graph)
    _check_inputs(graph, signature, layout)
    _check_wiring(graph)
    made = {name: node for node in graph.nodes for name in node.outputs}
    for node in graph.nodes:
        check_node(node, Known(graph.constants, made))
    check_trees(node for node in graph.nodes if node.operator == "TreeEnsemble")
    check_elements(graph)
    check_ranks(graph)
    _check_answers(graph, layout)
    return Checked(layout, reckoned_bytes(graph, len(content)))


def _check_opsets(graph: Graph) -> None:
    for domain, version in graph.opsets.items():
        if version not in OPSETS.get(domain, ()):
            raise GraphRefused(
                "graph-operator", f"The graph uses version {version} of {domain[:40]!r}."
            )
    for node in graph.nodes:
        if node.domain not in graph.opsets:
            raise GraphRefused("graph-operator", f"It does not import {node.domain[:40]!r}.")


def _check_inputs(graph: Graph, signature: Signature, layout: Layout) -> None:
    wanted = expected_inputs(signature, layout.inputs)
    if list(graph.inputs) != list(wanted):
        raise GraphRefused(
            "graph-inputs", f"It takes {_some(list(graph.inputs))}, not {_some(list(wanted))}."
        )
    for name, (element, row) in wanted.items():
        found = graph.inputs[name]
        if found.element != element or not _is_rows_of(found, row):
            raise GraphRefused(
                "graph-inputs", f"The input {name} is {found.element} of shape {found.dims}."
            )


def expected_inputs(signature: Signature, kind: str) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Name -> element type and shape of one row, in order. Raises GraphRefused."""
    for column in signature.inputs:
        if column.type in _REFUSED_TYPES:
            raise GraphRefused("graph-inputs", f"{column.name!r} is of type {column.type}.")
    columns = signature.inputs
    if len(columns) == 1 and columns[0].shape is not None:
        return {"x": (DOUBLE, columns[0].shape)}
    if kind == "matrix":
        if any(c.type not in _IN_MATRIX or c.shape is not None for c in columns):
            raise GraphRefused("graph-inputs", "One matrix cannot hold these columns.")
        return {"x": (DOUBLE, (len(columns),))}
    return _grouped_inputs(columns)


def _grouped_inputs(columns: tuple[Column, ...]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Numbers and truth values as ``x``, texts as ``s``, and as ``n`` where one may be null."""
    texts = [column for column in columns if column.type == "string"]
    numbers = [column for column in columns if column.type != "string"]
    if any(c.type not in _IN_MATRIX or c.shape is not None for c in numbers) or not texts:
        raise GraphRefused("graph-inputs", "One matrix cannot hold these columns.")
    wanted: dict[str, tuple[int, tuple[int, ...]]] = {}
    if numbers:
        wanted["x"] = (DOUBLE, (len(numbers),))
    wanted["s"] = (STRING, (len(texts),))
    if any(column.nullable for column in texts):
        wanted["n"] = (BOOL, (len(texts),))
    return wanted


def _is_rows_of(declared: Declared, row: tuple[int, ...]) -> bool:
    """A free first dimension, then exactly one row's shape."""
    return (
        bool(declared.dims) and not isinstance(declared.dims[0], int) and declared.dims[1:] == row
    )


def _check_wiring(graph: Graph) -> None:
    """Each tensor is made once, before it is used."""
    known = set(graph.inputs) | set(graph.constants)
    if len(known) != len(graph.inputs) + len(graph.constants) or "" in known:
        raise GraphRefused("graph-malformed", "A constant has the name of an input, or none.")
    for node in graph.nodes:
        lacking = [name for name in node.inputs if name and name not in known]
        if lacking:
            raise GraphRefused("graph-malformed", f"{lacking[0][:60]!r} is used and not made.")
        made = [name for name in node.outputs if name]
        if not made or len(set(made)) < len(made) or known.intersection(made):
            raise GraphRefused("graph-malformed", f"A tensor of {node.operator[:40]} is not new.")
        known.update(made)
    lacking = [name for name in graph.outputs if name not in known]
    if lacking or not graph.outputs:
        raise GraphRefused("graph-malformed", "An output of the graph is not made by it.")


def _check_answers(graph: Graph, layout: Layout) -> None:
    """The layout names outputs of the graph, each of a type that its block may have."""
    for block in layout.blocks:
        declared = graph.outputs.get(block.tensor)
        if declared is None:
            raise GraphRefused("graph-layout", f"There is no output {block.tensor[:60]!r}.")
        if declared.element not in _ANSWERS:
            raise GraphRefused("graph-layout", f"{block.tensor[:60]!r} is of another type.")
        if block.classes is not None and declared.element != INT64:
            raise GraphRefused("graph-layout", f"{block.tensor[:60]!r} holds no indexes.")
    if layout.refused is not None:
        declared = graph.outputs.get(layout.refused)
        if declared is None or declared.element != BOOL:
            raise GraphRefused("graph-layout", "The refused rows are no output of truth values.")
    named = {block.tensor for block in layout.blocks} | {layout.refused}
    if set(graph.outputs) - named:
        raise GraphRefused("graph-layout", "The graph has an output that nothing names.")


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:6])
    return shown + (", ..." if len(names) > 6 else "")
