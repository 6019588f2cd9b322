"""Plain: reads a compiled graph (onnx.proto, IR version 10) into plain values, without a library.

Strict, on the reader of the gate: unknown fields, a field that comes twice where one is meant,
subgraphs, functions, sparse and external data are refused, because a parser that merges or skips
them would see another graph than this one. Lists of millions of numbers are read by numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.scan import protobuf
from registry.scan.finding import Refused
from registry.scan.onnx_tensor import check_tensor
from registry.scan.protobuf import Buffer, number, text, varints
from serving.runtimes.compiled.errors import GraphRefused

MAX_BYTES = 256 * 1024**2
MAX_NODES = 50_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
# Each field that is read one by one takes microseconds under the lock of the interpreter. Texts
# are the keys of vocabularies, and the names that nodes take and give.
MAX_TEXTS = 1_000_000
MAX_FIELDS = 25_000

_MODEL = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_GRAPH = frozenset({1, 2, 5, 10, 11, 12})
_NODE = frozenset({1, 2, 3, 4, 5, 6, 7})
_ATTRIBUTE = frozenset({1, 2, 3, 4, 5, 7, 8, 9, 13, 20})
_TENSOR = frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12})
_OPSET = _PROPERTY = frozenset({1, 2})
_VALUE = frozenset({1, 2, 3})
_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION = ({1, 6}, {1, 2}, {1}, {1, 2, 3})
# AttributeProto.AttributeType -> the one field that it may fill.
_FIELD_OF_TYPE = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8, 8: 9}
_STRING = 8
# TensorProto.DataType -> numpy, and the typed field that may stand for raw bytes.
_NUMPY: dict[int, Any] = {
    1: np.dtype("<f4"), 2: np.dtype("u1"), 3: np.dtype("i1"), 6: np.dtype("<i4"),
    7: np.dtype("<i8"), 9: np.dtype("?"), 11: np.dtype("<f8"), 13: np.dtype("<u8"),
}  # fmt: skip
_TYPED_FIELD = {1: 4, 2: 5, 3: 5, 6: 5, 7: 7, 9: 5, 11: 10, 13: 11}
_FLOATS_TAG, _INTS_TAG = 0x3D, 0x40


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant. ``element`` is a TensorProto.DataType; strings are a tuple of bytes."""

    element: int
    dims: tuple[int, ...]
    values: Any

    @property
    def size(self) -> int:
        """Elements by its shape, which ``values`` has exactly."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Declared:
    """An input or output: element type and dims, a name of a dim or None where it is free."""

    element: int
    dims: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; an input "" is left out. Attribute lists are arrays, texts are bytes."""

    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def texts(self) -> int:
        """Names of its inputs, outputs and attributes, and the texts in these."""
        names = len(self.inputs) + len(self.outputs) + len(self.attributes)
        return names + sum(map(texts_of, self.attributes.values()))


def texts_of(value: Any) -> int:
    """How many texts a constant or the value of an attribute has."""
    held = value.values if isinstance(value, Tensor) else value
    return len(held) if isinstance(held, tuple) else 0


@dataclass(slots=True)
class Graph:
    """A whole model: one graph and what is said of it."""

    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)


def read_graph(content: bytes) -> Graph:
    """The graph in a serialized ModelProto. Raises GraphRefused."""
    if len(content) > MAX_BYTES:
        raise GraphRefused("graph-too-large", f"The graph has {len(content)} bytes.")
    try:
        return _model(memoryview(content))
    except Refused as refused:
        raise GraphRefused("graph-malformed", refused.finding({}).summary) from None


def fields(
    message: Buffer, known: Collection[int], what: str, most: int = MAX_FIELDS
) -> Iterator[tuple[int, int | Buffer]]:
    """As the gate's, of at most so many. Raises GraphRefused for more."""
    for count, found in enumerate(protobuf.fields(message, known, what)):
        if count == most:
            raise _too_many(f"fields in the {what}", most)
        yield found


def _too_many(what: str, most: int) -> GraphRefused:
    return GraphRefused("graph-too-large", f"It has more than {most} {what}.")


def _model(message: Buffer) -> Graph:
    graph = Graph()
    once = _Once("model", {1, 2, 3, 4, 5, 6, 7})
    for key, value in fields(message, _MODEL, "model"):
        once.see(key)
        if key == 7:
            _graph(_bytes(value, "graph"), graph)
        elif key == 8:
            domain, version = _opset(_bytes(value, "operator set"))
            _put(graph.opsets, domain, version, "operator set")
        elif key == 14:
            name, said = _property(_bytes(value, "property"))
            _put(graph.metadata, name, said, "property")
    if not {1, 7} <= once.seen:
        raise GraphRefused("graph-malformed", "The model lacks its version or its graph.")
    return graph


class _Once:
    """Fields that may come once: a parser takes the last of several, or merges them."""

    def __init__(self, what: str, keys: Collection[int]) -> None:
        self.what, self.keys, self.seen = what, keys, set[int]()

    def see(self, key: int) -> None:
        if key in self.keys and key in self.seen:
            raise GraphRefused("graph-malformed", f"The {self.what} has the field {key} twice.")
        self.seen.add(key)


def _put(known: dict[str, Any], name: str, value: Any, what: str) -> None:
    if name in known:
        raise GraphRefused("graph-malformed", f"The {what} {name[:60]!r} is there twice.")
    known[name] = value


def _graph(message: Buffer, graph: Graph) -> None:
    once, texts = _Once("graph", {2, 10}), 0
    most = MAX_NODES + MAX_TENSORS + MAX_FIELDS
    for key, value in fields(message, _GRAPH, "graph", most):
        once.see(key)
        if key == 1:
            graph.nodes.append(_node(_bytes(value, "node")))
            texts += graph.nodes[-1].texts
            if len(graph.nodes) > MAX_NODES:
                raise _too_many("nodes", MAX_NODES)
        elif key == 5:
            name, tensor = read_tensor(_bytes(value, "tensor"))
            _put(graph.constants, name, tensor, "constant")
            texts += texts_of(tensor)
            if len(graph.constants) > MAX_TENSORS:
                raise _too_many("constants", MAX_TENSORS)
        elif key in (11, 12):
            name, declared = _declared(_bytes(value, "value"))
            _put(graph.inputs if key == 11 else graph.outputs, name, declared, "value")
        if texts > MAX_TEXTS:
            raise _too_many("texts", MAX_TEXTS)


def _opset(message: Buffer) -> tuple[str, int]:
    domain, version = "", 0
    once = _Once("operator set", _OPSET)
    for key, value in fields(message, _OPSET, "operator set"):
        once.see(key)
        if key == 1:
            domain = text(value)
        else:
            version = number(value)
    return domain, version


def _property(message: Buffer) -> tuple[str, str]:
    """A text of the metadata, which may be long: labels of thousands of columns stand there."""
    found = {1: "", 2: ""}
    once = _Once("property", _PROPERTY)
    for key, value in fields(message, _PROPERTY, "property"):
        once.see(key)
        try:
            found[key] = bytes(_bytes(value, "property")).decode()
        except UnicodeDecodeError:
            raise GraphRefused("graph-malformed", "The metadata is not UTF-8.") from None
    return found[1], found[2]


# --- nodes and attributes -----------------------------------------------------------------------


def _node(message: Buffer) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    named = {4: "", 7: ""}
    once, texts = _Once("node", {3, 4, 6, 7}), 0
    for key, value in fields(message, _NODE, "node"):
        once.see(key)
        if key == 5:
            name, told = _attribute(_bytes(value, "attribute"))
            _put(attributes, name, told, "attribute")
            texts += texts_of(told)
            if texts > MAX_TEXTS:
                raise _too_many("texts", MAX_TEXTS)
        elif key in (1, 2):
            (inputs if key == 1 else outputs).append(text(value))
        elif key in named:
            named[key] = text(value)
    return Node(named[4], named[7], tuple(inputs), tuple(outputs), attributes)


def _attribute(message: Buffer) -> tuple[str, Any]:
    """Name and value. Runs of numbers are taken out first: the rest is a handful of fields."""
    rest, runs = _without_runs(message)
    name, kind, values = "", 0, dict[int, list[Any]]()
    once = _Once("attribute", {1, 2, 3, 4, 5, 13, 20})
    for part in rest:
        for key, value in fields(part, _ATTRIBUTE, "attribute", MAX_TEXTS + MAX_FIELDS):
            once.see(key)
            if key == 1:
                name = text(value)
            elif key == 20:
                kind = number(value)
            elif key != 13:
                values.setdefault(key, []).append(value)
    for key, run in runs:
        if key in values:
            raise GraphRefused("graph-malformed", f"The numbers of {name[:60]!r} are scattered.")
        values[key] = [run]
    wanted = _FIELD_OF_TYPE.get(kind)
    if wanted is None or set(values) - {wanted}:
        raise GraphRefused("graph-malformed", f"The attribute {name[:60]!r} is not of its type.")
    return name, _VALUES[kind](values.get(wanted, []))


def _without_runs(message: Buffer) -> tuple[list[Buffer], list[tuple[int, np.ndarray]]]:
    """The message without its long lists of numbers, and those: (field, values).

    A list is written without packing, tag and number in turn, as a run that nothing interrupts.
    """
    rest, runs, at, begin, count = [], list[tuple[int, np.ndarray]](), 0, 0, 0
    while at < len(message):
        count += 1
        if count > MAX_TEXTS + MAX_FIELDS:
            raise _too_many("fields in the attribute", MAX_TEXTS)
        tag = message[at]
        if tag in (_FLOATS_TAG, _INTS_TAG):
            if any(key == tag >> 3 for key, _ in runs):
                raise GraphRefused("graph-malformed", "The numbers of an attribute are scattered.")
            rest.append(message[begin:at])
            read = _float_run if tag == _FLOATS_TAG else _int_run
            run, at = read(message, at)
            runs.append((tag >> 3, run))
            begin = at
        else:
            at = _behind_field(message, at)
    rest.append(message[begin:])
    return rest, runs


def _behind_field(message: Buffer, at: int) -> int:
    """Where the next field begins; ``fields`` reads the same bytes again and judges them."""
    tag, at = _varint(message, at)
    wire = tag & 7
    if wire == 0:
        return _varint(message, at)[1]
    if wire == 2:
        length, at = _varint(message, at)
        return at + length
    return at + {1: 8, 5: 4}.get(wire, len(message))


def _varint(message: Buffer, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise GraphRefused("graph-malformed", "A number in an attribute does not end.")


def _float_run(message: Buffer, at: int) -> tuple[np.ndarray, int]:
    records = np.frombuffer(message[at : at + (len(message) - at) // 5 * 5], np.uint8)
    records = records.reshape(-1, 5)
    other = np.flatnonzero(records[:, 0] != _FLOATS_TAG)
    count = int(other[0]) if len(other) else len(records)
    if not count:
        raise GraphRefused("graph-malformed", "A number in an attribute does not end.")
    values = np.ascontiguousarray(records[:count, 1:]).view("<f4").ravel()
    return values, at + 5 * count


def _int_run(message: Buffer, at: int) -> tuple[np.ndarray, int]:
    """Tag, number, tag, number, ...: all of them are varints, and so are read alike."""
    ends, values = _all_varints(np.frombuffer(message[at:], np.uint8))
    tags, held = values[::2], values[1::2]
    other = np.flatnonzero(tags != _INTS_TAG)
    count = min(int(other[0]) if len(other) else len(tags), len(held))
    if not count:
        raise GraphRefused("graph-malformed", "A number in an attribute does not end.")
    # A tag behind which no number ends is left for ``fields``, which refuses it.
    return held[:count].astype(np.int64), at + int(ends[2 * count - 1]) + 1


def _all_varints(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each number ends, and its value as uint64. Raises for one of more than ten bytes."""
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    lengths = ends - starts + 1
    values = np.zeros(len(ends), np.uint64)
    longest = int(lengths.max(initial=0))
    if longest > 10:
        raise GraphRefused("graph-malformed", "A number in an attribute does not end.")
    for place in range(longest):
        has = lengths > place
        part = (raw[starts[has] + place] & 0x7F).astype(np.uint64)
        values[has] |= part << np.uint64(7 * place)
    return ends, values


def _packed(payload: Buffer) -> np.ndarray:
    _, values = _all_varints(np.frombuffer(payload, np.uint8))
    return values.astype(np.int64)


def _one(values: list[Any]) -> Any:
    if len(values) != 1:
        raise GraphRefused("graph-malformed", "An attribute has no value.")
    return values[0]


def _f(values: list[Any]) -> float:
    return float(np.frombuffer(_bytes(_one(values), "number"), "<f4")[0])


def _i(values: list[Any]) -> int:
    found = number(_one(values))
    return found - (1 << 64) if found >= 1 << 63 else found


def _floats(values: list[Any]) -> np.ndarray:
    run = _one(values) if values else np.empty(0, np.float32)
    return run if isinstance(run, np.ndarray) else np.frombuffer(run, "<f4")


def _ints(values: list[Any]) -> np.ndarray:
    run = _one(values) if values else np.empty(0, np.int64)
    return run if isinstance(run, np.ndarray) else _packed(run)


_VALUES: dict[int, Callable[[list[Any]], Any]] = {
    1: _f,
    2: _i,
    3: lambda values: bytes(_bytes(_one(values), "text")),
    4: lambda values: read_tensor(_bytes(_one(values), "tensor"))[1],
    6: _floats,
    7: _ints,
    8: lambda values: tuple(bytes(_bytes(one, "text")) for one in values),
}


# --- tensors and declared values ----------------------------------------------------------------


def read_tensor(message: Buffer) -> tuple[str, Tensor]:
    """Name and values of a TensorProto, exactly as many as its shape says."""
    dims: list[int] = []
    name, element, dim_fields = "", 0, 0
    parts: dict[int, list[Any]] = {}
    once = _Once("constant", {2, 8, 9, 12})
    for key, value in fields(message, _TENSOR, "constant", MAX_TEXTS + MAX_FIELDS):
        once.see(key)
        if key == 1:
            dims += [value] if isinstance(value, int) else varints(value, MAX_DIMENSIONS)
            dim_fields += 1
            if max(len(dims), dim_fields) > MAX_DIMENSIONS:
                raise GraphRefused("graph-malformed", "A constant has too many dimensions.")
        elif key == 2:
            element = number(value)
        elif key == 8:
            name = text(value)
        elif key != 12:
            parts.setdefault(key, []).append(value)
    check_tensor(message, "a constant")
    return name, Tensor(element, tuple(dims), _elements(element, parts))


def _elements(element: int, parts: dict[int, list[Any]]) -> Any:
    if element == _STRING:
        return tuple(bytes(_bytes(one, "text")) for one in parts.get(6, []))
    if element not in _NUMPY:
        raise GraphRefused("graph-malformed", f"A constant has the element type {element}.")
    dtype = _NUMPY[element]
    if 9 in parts:
        return np.frombuffer(_bytes(parts[9][0], "constant"), dtype)
    typed = parts.get(_TYPED_FIELD[element], [])
    if not typed:
        return np.empty(0, dtype)
    if len(typed) > 1 or isinstance(typed[0], int):
        raise GraphRefused("graph-malformed", "The numbers of a constant are scattered.")
    if element in (1, 11):
        return np.frombuffer(typed[0], dtype)
    return _packed(typed[0]).astype(dtype)


def _declared(message: Buffer) -> tuple[str, Declared]:
    name, declared = "", None
    once = _Once("value", _VALUE)
    for key, value in fields(message, _VALUE, "value"):
        once.see(key)
        if key == 1:
            name = text(value)
        elif key == 2:
            declared = _type(_bytes(value, "type"))
    if declared is None:
        raise GraphRefused("graph-malformed", f"{name[:60]!r} has no type.")
    return name, declared


def _type(message: Buffer) -> Declared:
    found = None
    once = _Once("type", _TYPE)
    for key, value in fields(message, _TYPE, "type"):
        once.see(key)
        if key == 1:
            found = _tensor_type(_bytes(value, "type"))
    if found is None:
        raise GraphRefused("graph-malformed", "A value is no tensor.")
    return found


def _tensor_type(message: Buffer) -> Declared:
    element, dims = 0, list[int | str | None]()
    once = _Once("type", {1, 2})
    for key, value in fields(message, _TENSOR_TYPE, "type"):
        once.see(key)
        if key == 1:
            element = number(value)
            continue
        for _, dim in fields(_bytes(value, "shape"), _SHAPE, "shape", MAX_DIMENSIONS):
            dims.append(_dimension(_bytes(dim, "dimension")))
    return Declared(element, tuple(dims))


def _dimension(message: Buffer) -> int | str | None:
    found: int | str | None = None
    once = _Once("dimension", _DIMENSION)
    for key, value in fields(message, _DIMENSION, "dimension"):
        once.see(key)
        if key == 1:
            found = number(value)
        elif key == 2:
            found = text(value)
    if len(once.seen & {1, 2}) > 1:
        raise GraphRefused("graph-malformed", "A dimension is both a number and a name.")
    return found


def _bytes(value: int | Buffer | Any, what: str) -> Buffer:
    if not isinstance(value, memoryview):
        raise GraphRefused("graph-malformed", f"A number stands where a {what} was expected.")
    return value
