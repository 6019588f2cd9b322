"""What an ONNX graph declares: its inputs as columns, its outputs by role, its class labels.

Roles follow what skl2onnx and the other converters of ai.onnx.ml write: a tensor of labels first,
then probabilities as one matrix, as a sequence of maps (ZipMap) or as one output per class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx

from registry.errors import CheckRefused
from serving.runtimes.base import Label

Role = Literal["label", "value", "maps", "matrix", "sequence", "class-column", "scores"]

# Tensor element -> our type and numpy's.
ELEMENTS: dict[str, tuple[str, Any]] = {
    "bool": ("boolean", np.bool_),
    "int8": ("int8", np.int8),
    "int16": ("int16", np.int16),
    "int32": ("int32", np.int32),
    "int64": ("int64", np.int64),
    "uint8": ("uint8", np.uint8),
    "uint16": ("uint16", np.uint16),
    "uint32": ("uint32", np.uint32),
    "uint64": ("uint64", np.uint64),
    "float": ("float32", np.float32),
    "double": ("float64", np.float64),
    "string": ("string", object),
}
_LABELS = ("int32", "int64", "string", "bool")


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input: ``row_shape`` is what one row has, () for a scalar; -1 where it is free."""

    name: str
    element: str
    row_shape: tuple[int, ...]
    is_column: bool  # declared as [N, 1], fed in that shape

    @property
    def type(self) -> str:
        """Our dtype key."""
        return ELEMENTS[self.element][0]


def read_input(declared: Any) -> GraphInput:
    """An input of the session. Raises CheckRefused for what is no dense tensor of rows."""
    element = _element_of(declared.type)
    if element not in ELEMENTS:
        raise CheckRefused(
            "input-not-supported",
            f"The input {declared.name!r} is {declared.type}; only dense tensors of booleans,"
            " numbers and texts are served.",
        )
    shape = list(declared.shape)
    if not shape or isinstance(shape[0], int):
        raise CheckRefused(
            "fixed-batch",
            f"The input {declared.name!r} has the fixed shape {shape}. Export the model with a"
            " free first dimension, so that it takes any number of rows.",
        )
    row = tuple(d if isinstance(d, int) else -1 for d in shape[1:])
    if row == (1,):
        return GraphInput(declared.name, element, (), is_column=True)
    return GraphInput(declared.name, element, row, is_column=False)


def _element_of(declared: str) -> str:
    found = re.fullmatch(r"tensor\((\w+)\)", declared)
    return found.group(1) if found else declared


@dataclass(frozen=True, slots=True)
class Outputs:
    """The names of the graph's outputs by what they are; ``values`` is filled without labels."""

    label: str | None
    values: tuple[str, ...] = ()
    maps: str | None = None
    matrix: str | None = None
    sequence: str | None = None
    class_columns: tuple[str, ...] = ()
    scores: str | None = None


def read_outputs(declared: Sequence[Any]) -> Outputs:
    """Sort the session's outputs. Without a tensor of labels every tensor is a value."""
    label = next((o.name for o in declared if _element_of(o.type) in _LABELS), None)
    rest = [o for o in declared if o.name != label]
    if label is None:
        values = tuple(o.name for o in rest if _element_of(o.type) in ELEMENTS)
        return Outputs(None, values)
    flat = [o.name for o in rest if _element_of(o.type) in ("float", "double") and _is_flat(o)]
    wide = [o.name for o in rest if _element_of(o.type) in ("float", "double")]
    named = [name for name in wide if "prob" in name.lower()]
    return Outputs(
        label,
        maps=next((o.name for o in rest if o.type.startswith("seq(map(")), None),
        sequence=next((o.name for o in rest if o.type.startswith("seq(tensor(")), None),
        matrix=named[0] if named else None,
        class_columns=tuple(flat) if len(flat) > 1 and not named else (),
        scores=wide[0] if len(wide) == 1 and not named else None,
    )


def _is_flat(declared: Any) -> bool:
    return len(declared.shape) == 1


def read_classes(content: bytes) -> tuple[tuple[Label, ...], ...]:
    """Every list of class labels in the graph, the likeliest first.

    ZipMap names the labels of the whole; then come initializers that the converter calls
    ``classes``, then the labels of single classifiers, which may be those of a part only.
    """
    graph = onnx.load_model_from_string(content).graph
    zips = [labels for node in graph.node if node.op_type == "ZipMap" for labels in _labels(node)]
    named = [
        tuple(_plain(v) for v in onnx.numpy_helper.to_array(tensor).ravel().tolist())
        for tensor in graph.initializer
        if tensor.name.startswith("classes")
    ]
    others = [labels for node in graph.node if node.op_type != "ZipMap" for labels in _labels(node)]
    return tuple(labels for labels in [*zips, *named, *others] if labels)


def _plain(value: Any) -> Label:
    return value.decode() if isinstance(value, bytes) else value


def _labels(node: Any) -> Iterator[tuple[Label, ...]]:
    for attribute in node.attribute:
        if attribute.name.startswith("classlabels"):
            yield tuple(attribute.ints) or tuple(text.decode() for text in attribute.strings)


def label_of_column(name: str) -> Label:
    """The label in the name of a ``zipmap="columns"`` output: ``i0`` is 0, ``sno`` is "no"."""
    if re.fullmatch(r"i-?\d+", name):
        return int(name[1:])
    return name[1:] if name.startswith("s") else name
