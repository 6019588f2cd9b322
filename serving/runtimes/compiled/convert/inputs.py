"""The inputs of a graph, and what the original would see in their place.

``serving.runtimes.sklearn.inputs.make_input`` hands the columns of a request to the original; the
values made here have the types that its frame, matrix or tensor has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from registry.signature.types import Column as SignatureColumn
from registry.signature.types import Signature
from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Column, Frame, Matrix, Place, Tensor, Value
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn.inputs import ColumnPlan
from serving.runtimes.sklearn.model import SklearnModel

Inputs = list[tuple[str, str, tuple[int, ...]]]
Layout = Literal["matrix", "grouped"]
_PLAIN = ColumnPlan()


@dataclass(frozen=True, slots=True)
class Request:
    """What a request brings: the graph's declared inputs, and the original's X made of them."""

    layout: Layout
    inputs: Inputs
    value: Value


def request_of(builder: GraphBuilder, model: SklearnModel, signature: Signature) -> Request:
    """The inputs of a graph for this model and signature. Raises NotCompiled."""
    form = model.facts().input_form
    if form == "records":
        raise NotCompiled("records", "A model of dicts (DictVectorizer) is not compiled.")
    if len(signature.inputs) == 1 and signature.inputs[0].shape is not None:
        return _tensor(signature.inputs[0], form)
    for column in signature.inputs:
        _require_plain(column, model.plans.get(column.name, _PLAIN))
    if form == "series":
        raise NotCompiled("series", "A model of raw texts or labels is not compiled.")
    inputs, columns = _grouped(signature, model.plans)
    value: Value = Frame(columns)
    if form == "frame":
        value = Frame(_in_order(columns, signature, model))
    elif any(column.is_text for column in columns):  # a matrix of objects
        value = Frame(tuple(replace(column, dtype="object") for column in columns))
    else:
        value = as_matrix(builder, value)
    layout: Layout = "matrix" if [name for name, *_ in inputs] == ["x"] else "grouped"
    return Request(layout, inputs, value)


def _require_plain(column: SignatureColumn, plan: ColumnPlan) -> None:
    if column.shape is not None:
        raise NotCompiled("tensor-column", f"{column.name!r} is a tensor among other columns.")
    if column.type in ("datetime", "date"):
        raise NotCompiled("times", f"{column.name!r} holds times, which no graph computes with.")
    if column.type == "uint64":
        raise NotCompiled("uint64", f"{column.name!r} is uint64, which no graph computes with.")
    if plan.naive_time:
        raise NotCompiled("times", f"{column.name!r} is read as times.")


def _tensor(column: SignatureColumn, form: str) -> Request:
    shape = tuple(column.shape or ())
    if -1 in shape:
        raise NotCompiled("free-shape", f"A dimension of {column.name!r} is free.")
    if column.type != "float64":
        raise NotCompiled("tensor-type", f"{column.name!r} is a tensor of {column.type}.")
    inputs: Inputs = [("x", "float64", shape)]
    value: Value = Tensor("x", shape)
    if len(shape) == 1:
        value = Matrix("x", shape[0])
    if form == "frame":
        raise NotCompiled("tensor-column", f"The frame has a tensor in {column.name!r}.")
    return Request("matrix", inputs, value)


def _grouped(
    signature: Signature, plans: Mapping[str, ColumnPlan]
) -> tuple[Inputs, tuple[Column, ...]]:
    """All numbers as one matrix ``x``, all texts as ``s``, and as ``n`` where they are null.

    An input costs onnxruntime more than a node, so that few of them make one row fast.
    """
    texts = [c.name for c in signature.inputs if c.type == "string"]
    numbers = [c.name for c in signature.inputs if c.type != "string"]
    inputs: Inputs = []
    if numbers:
        inputs.append(("x", "float64", (len(numbers),)))
    if texts:
        inputs.append(("s", "string", (len(texts),)))
    has_nulls = any(c.nullable for c in signature.inputs if c.type == "string")
    if has_nulls:
        inputs.append(("n", "bool", (len(texts),)))
    columns = []
    for column in signature.inputs:
        plan = plans.get(column.name, _PLAIN)
        is_text = column.type == "string"
        names = texts if is_text else numbers
        at = names.index(column.name)
        columns.append(
            Column(
                Place("s" if is_text else "x", len(names), at),
                "string" if is_text else "float64",
                _dtype_of(column),
                missing=Place("n", len(names), at) if is_text and has_nulls else None,
                # Numbers that are missing are NaN whatever the plan says.
                none_is_missing=plan.none_is_missing and column.type in ("string", "boolean"),
                categories=plan.categories,
            )
        )
    return inputs, tuple(columns)


def _in_order(
    columns: tuple[Column, ...], signature: Signature, model: SklearnModel
) -> tuple[Column, ...]:
    """In the order of the fit; the inputs keep that of the signature."""
    names = model.facts().feature_names or signature.input_names
    return tuple(columns[signature.input_names.index(name)] for name in names)


def _dtype_of(column: SignatureColumn) -> str:
    """What pandas or numpy call the column when it reaches the original."""
    if column.type == "string":
        return "str"
    if column.type == "boolean":
        return "object" if column.nullable else "bool"
    if column.dtype.kind == "integer" and column.nullable:
        return "float64"
    return column.type
