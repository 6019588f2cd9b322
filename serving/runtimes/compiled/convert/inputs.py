"""The inputs of a graph, and what the original would see in their place.

``serving.runtimes.sklearn.inputs.make_input`` hands the columns of a request to the original; the
values made here have the types that its frame, matrix or tensor has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from registry.signature.types import Column as SignatureColumn
from registry.signature.types import Signature
from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Column, Element, Frame, Matrix, Tensor, Value
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn import SklearnModel
from serving.runtimes.sklearn.inputs import ColumnPlan

Inputs = list[tuple[str, str, tuple[int, ...]]]
_PLAIN = ColumnPlan()
# Exact in a double, whatever their value.
_NARROW = ("boolean", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float64")


@dataclass(frozen=True, slots=True)
class Request:
    """What a request brings: the graph's declared inputs, and the original's X made of them."""

    layout: Literal["matrix", "columns"]
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
    if form == "matrix":
        return _matrix(builder, signature)
    request = _frame(signature, model)
    return _in_order(request, signature, model) if form == "frame" else _series(request)


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


def _matrix(builder: GraphBuilder, signature: Signature) -> Request:
    """The form matrix: one numpy array of the type that holds all the columns."""
    columns = signature.inputs
    seen = [_dtype_of(column) for column in columns]
    if "str" in seen:
        return _objects(signature)
    whole = "float64" if "object" in seen else np.result_type(*(np.dtype(d) for d in seen)).name
    if whole == "float64":
        return Request("matrix", [("x", "float64", (len(columns),))], Matrix("x", len(columns)))
    inputs, made = _one_by_one(signature, {})
    return Request("columns", inputs, as_matrix(builder, Frame(tuple(made))))


def _objects(signature: Signature) -> Request:
    """Texts in a matrix: an array of objects (of ``str`` columns pandas makes no matrix)."""
    inputs, made = _one_by_one(signature, {})
    return Request("columns", inputs, Frame(tuple(made)))


def _frame(signature: Signature, model: SklearnModel) -> Request:
    plans = model.plans
    if all(
        c.type in _NARROW and not plans.get(c.name, _PLAIN).categories for c in signature.inputs
    ):
        width = len(signature.inputs)
        columns = tuple(
            Column("", "float64", _dtype_of(c), source=("x", width, at))
            for at, c in enumerate(signature.inputs)
        )
        return Request("matrix", [("x", "float64", (width,))], Frame(columns))
    inputs, columns = _one_by_one(signature, plans)
    return Request("columns", inputs, Frame(columns))


def _one_by_one(
    signature: Signature, plans: Mapping[str, ColumnPlan]
) -> tuple[Inputs, tuple[Column, ...]]:
    """An input per column, and one of nulls per nullable column of texts."""
    inputs: Inputs = []
    columns = []
    for at, column in enumerate(signature.inputs):
        plan = plans.get(column.name, _PLAIN)
        element = _element_of(column)
        missing = f"n{at}" if column.nullable and element == "string" else None
        inputs.append((f"c{at}", element, (1,)))
        if missing:
            inputs.append((missing, "bool", (1,)))
        columns.append(
            Column(
                f"c{at}",
                element,
                _dtype_of(column),
                missing=missing,
                none_is_missing=plan.none_is_missing,
                categories=plan.categories,
            )
        )
    return inputs, tuple(columns)


def _element_of(column: SignatureColumn) -> Element:
    if column.type == "string":
        return "string"
    if column.type in ("float64", "float32") or column.nullable:
        return "float64"
    return "bool" if column.type == "boolean" else "int64"


def _dtype_of(column: SignatureColumn) -> str:
    """What pandas or numpy call the column when it reaches the original."""
    if column.type == "string":
        return "str"
    if column.type == "boolean":
        return "object" if column.nullable else "bool"
    if column.dtype.kind == "integer" and column.nullable:
        return "float64"
    return column.type


def _in_order(request: Request, signature: Signature, model: SklearnModel) -> Request:
    """The frame's columns in the order of the fit; the inputs keep that of the signature."""
    names = model.facts().feature_names
    if names is None or not isinstance(request.value, Frame):
        return request
    places = [signature.input_names.index(name) for name in names]
    return Request(request.layout, request.inputs, request.value.picked(places))


def _series(request: Request) -> Request:
    raise NotCompiled("series", "A model of raw texts or labels is not compiled.")


def element_and_dtype(column: Any) -> tuple[str, str]:
    """For tests: how a signature's column arrives."""
    return _element_of(column), _dtype_of(column)
