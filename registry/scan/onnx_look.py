"""Plain: ONNX models (onnx.proto, IR version 3 and later) by an own reader of the protobuf wire.

Only what the caps need is looked at, as (field, value) pairs over one buffer; no message is built.
Unknown fields, groups and a graph that comes in two parts are refused: a parser that merges or
skips them would see another model than this one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from registry.scan.finding import Finding, Refused, shown
from registry.scan.onnx_tensor import check_tensor
from registry.scan.protobuf import Buffer, fields, number, text

SIZE_MAX_BYTES = 1 << 30
PARTS_MAX = 200_000
OPERATORS_SHOWN = 50
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
CONTROL_FLOW = frozenset({"Loop", "Scan", "If"})
IR_VERSIONS = range(3, 100)

# The fields that a message may have; everything else is refused.
_MODEL = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_GRAPH = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})
_NODE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
_ATTRIBUTE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23})
_OPSET = frozenset({1, 2})
_GRAPH_INPUT, _GRAPH_OUTPUT = 11, 12


@dataclass
class _Seen:
    """What the model holds, counted while it is walked."""

    parts: int = 0
    tensor_bytes: int = 0
    tensors: int = 0
    inputs: int = 0
    outputs: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    domains: set[str] = field(default_factory=set)

    def count(self) -> None:
        self.parts += 1
        if self.parts > PARTS_MAX:
            raise Refused("onnx-too-many-parts", f"The model has more than {PARTS_MAX} parts")

    def tensor(self, message: Buffer, name: str) -> None:
        self.count()
        self.tensors += 1
        self.tensor_bytes += check_tensor(message, name)


def look_at_onnx(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding; raises Refused."""
    if size > SIZE_MAX_BYTES:
        raise Refused("too-large", f"The model has {size} bytes", limit_bytes=SIZE_MAX_BYTES)
    content = file.read(size)
    if len(content) != size:
        raise Refused("truncated", "The file is shorter than its size")
    seen = _Seen()
    _model(memoryview(content), seen, evidence)
    shown_operators = seen.operators.most_common(OPERATORS_SHOWN)
    evidence |= {
        "nodes": sum(seen.operators.values()),
        "operators": {shown(name): count for name, count in sorted(shown_operators)},
        "tensors": seen.tensors,
        "tensor_bytes": seen.tensor_bytes,
    }
    if not seen.outputs:
        raise Refused("onnx-malformed", "The graph has no output")
    summary = f"An ONNX model of {evidence['nodes']} nodes and {seen.tensors} tensors."
    return Finding("passed", "", summary, evidence)


def _model(message: Buffer, seen: _Seen, evidence: dict[str, Any]) -> None:
    graphs: list[Buffer] = []
    opsets: dict[str, int] = {}
    for key, value in fields(message, _MODEL, "model"):
        if key == 7:
            graphs.append(_nested(value))
        elif key == 8:
            opsets.update([_opset(_nested(value))])
        elif key == 25:
            raise Refused("onnx-local-functions", "The model brings local functions")
        elif key == 20:
            raise Refused("onnx-not-supported", "The model has training information")
        elif key == 1:
            evidence["ir_version"] = number(value)
        elif key == 2:
            evidence["producer"] = shown(text(value))
    evidence["opsets"] = dict(sorted(opsets.items()))
    if evidence.get("ir_version") not in IR_VERSIONS or not opsets or len(graphs) != 1:
        raise Refused("onnx-malformed", "The model lacks its version, its operator sets or a graph")
    _graph(graphs[0], seen)
    # A file that was cut off between two fields is still a message, but lacks what came last.
    for domain in sorted(seen.domains - set(opsets)):
        raise Refused("onnx-malformed", f"Operators of {domain} are used and not imported")


def _opset(message: Buffer) -> tuple[str, int]:
    domain, version = "", 0
    for key, value in fields(message, _OPSET, "operator set"):
        if key == 1:
            domain = text(value)
        else:
            version = number(value)
    _check_domain(domain)
    return domain or "ai.onnx", version


def _check_domain(domain: str) -> None:
    if domain not in DOMAINS:
        raise Refused("onnx-domain", f"The model uses the domain {shown(domain)}")


def _graph(message: Buffer, seen: _Seen) -> None:
    for key, value in fields(message, _GRAPH, "graph"):
        if key == 1:
            _node(_nested(value), seen)
        elif key == 5:
            seen.tensor(_nested(value), "an initialiser")
        elif key == 15:
            raise Refused("onnx-not-supported", "The graph has sparse initialisers")
        elif key in (_GRAPH_INPUT, _GRAPH_OUTPUT):
            seen.count()
            seen.inputs += key == _GRAPH_INPUT
            seen.outputs += key == _GRAPH_OUTPUT


def _node(message: Buffer, seen: _Seen) -> None:
    seen.count()
    operator, domain, attributes = "", "", []
    for key, value in fields(message, _NODE, "node"):
        if key == 4:
            operator = text(value)
        elif key == 7:
            domain = text(value)
        elif key == 5:
            attributes.append(_nested(value))
    _check_domain(domain)
    if operator in CONTROL_FLOW:
        raise Refused("onnx-subgraph", f"The graph has the operator {operator}")
    seen.operators[operator] += 1
    seen.domains.add(domain or "ai.onnx")
    for attribute in attributes:
        _attribute(attribute, operator, seen)


def _attribute(message: Buffer, operator: str, seen: _Seen) -> None:
    seen.count()
    for key, value in fields(message, _ATTRIBUTE, "attribute"):
        if key in (6, 11):
            raise Refused("onnx-subgraph", f"The operator {shown(operator)} has a graph of its own")
        if key in (22, 23):
            found = f"The operator {shown(operator)} has a sparse tensor"
            raise Refused("onnx-not-supported", found)
        if key in (5, 10):
            seen.tensor(_nested(value), f"a tensor of {shown(operator)}")


def _nested(value: int | Buffer) -> Buffer:
    if isinstance(value, int):
        raise Refused("onnx-malformed", "A number stands where a message was expected")
    return value


def first_field_is_ir_version(head: bytes) -> bool:
    """True for the beginning of a model as every writer leaves it: field 1, a small number."""
    return len(head) >= 2 and head[0] == 0x08 and head[1] in IR_VERSIONS
