"""Builds an ONNX graph node by node: ai.onnx 21 and ai.onnx.ml 5 (onnx.ai operator schemas).

Nodes and constants that are equal exist once. Rows that the original would refuse are collected
here and become the output ``refused``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from serving.runtimes.compiled.convert.values import Matrix

OPSET = 21
ML_OPSET = 5
IR_VERSION = 10
ML = "ai.onnx.ml"
LAYOUT_KEY = "modelyard.layout"
ELEMENTS = {
    "float64": TensorProto.DOUBLE,
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


class Integers:
    """A long list of integers as an attribute: onnx.helper looks at each, which takes seconds."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.int64)

    def as_ints(self, name: str) -> onnx.AttributeProto:
        """The attribute of the type INTS."""
        kind = onnx.AttributeProto.INTS
        return onnx.AttributeProto(name=name, type=kind, ints=self.values.tolist())


class GraphBuilder:
    """A graph that is being built. Tensors are known by name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[Any, tuple[str, ...]] = {}
        self._constants: dict[Any, str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._count = 0
        self._refused: list[str] = []
        self._finite: dict[str, tuple[Matrix, bool]] = {}
        self._carried: dict[str, set[str]] = {}
        # A known category by tensor and place among its columns.
        self.known: dict[tuple[str, int], Any] = {}

    # --- nodes and constants ---------------------------------------------------------------------

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        *,
        domain: str = "",
        outputs: int = 1,
        **attributes: Any,
    ) -> Any:
        """A node; the name of its output, or a tuple of names where ``outputs`` is not 1.

        An input "" is left out. An attribute that is None is left out, an ndarray is a tensor.
        """
        given = {key: value for key, value in attributes.items() if value is not None}
        key = (op, domain, tuple(inputs), outputs, _frozen(given))
        if key not in self._made:
            names = tuple(self._new_name() for _ in range(outputs))
            made = {k: _attribute(v) for k, v in given.items() if not isinstance(v, Integers)}
            node = helper.make_node(op, list(inputs), list(names), domain=domain, **made)
            node.attribute.extend(v.as_ints(k) for k, v in given.items() if isinstance(v, Integers))
            self._nodes.append(node)
            self._made[key] = names
        names = self._made[key]
        return names[0] if outputs == 1 else names

    def is_made(self, name: str) -> bool:
        """Whether a node makes the tensor: inputs and constants are no outputs."""
        return any(name in names for names in self._made.values())

    def ml(self, op: str, inputs: Sequence[str], **attributes: Any) -> Any:
        """A node of the domain ai.onnx.ml."""
        return self.add(op, inputs, domain=ML, **attributes)

    def constant(self, value: np.ndarray | Sequence[Any] | float | int | bool | str) -> str:
        """A constant tensor; Python floats are DOUBLE, ints INT64, texts STRING."""
        array = np.asarray(value)
        if array.dtype.kind in "OU":
            array = array.astype(object)
            content: Any = tuple(array.ravel().tolist())
        else:
            array = np.asarray(array, order="C")  # ascontiguousarray makes a list of a scalar
            content = array.tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self._constants:
            name = f"k{len(self._constants)}"
            self._initializers.append(_tensor(array, name))
            self._constants[key] = name
        return self._constants[key]

    def cast(self, tensor: str, dtype: str) -> str:
        """The tensor as DOUBLE, FLOAT, INT64 or BOOL (named as numpy names them)."""
        return str(self.add("Cast", [tensor], to=int(ELEMENTS[dtype])))

    def as_type(self, x: Matrix, dtype: Any) -> Matrix:
        """The matrix with another element type: what ``astype`` does in the original."""
        if x.dtype == dtype:
            return x
        return Matrix(self.cast(x.name, dtype), x.width, dtype)

    def as_double(self, x: Matrix) -> Matrix:
        """The matrix in float64."""
        return self.as_type(x, "float64")

    # --- what the original refuses ---------------------------------------------------------------

    def refuse(self, rows: str) -> None:
        """Rows that the original would raise on, BOOL [N] (``any_of`` makes that of [N, columns]).

        Then the whole request goes to the original, so that the error is its own.
        """
        if rows not in self._refused:
            self._refused.append(rows)

    def any_of(self, cells: str) -> str:
        """BOOL [N]: rows where any of BOOL [N, columns] is true."""
        axis = self.constant(np.array([1], np.int64))
        return str(self.add("ReduceMax", [cells, axis], keepdims=0))

    def refuse_not_finite(self, x: Matrix, allow_nan: bool = False) -> None:
        """What ``check_array`` does: NaN (unless allowed) and infinity are refused.

        Call it wherever the original checks; a check that a later one includes is left out.
        """
        if x.dtype not in ("float64", "float32"):
            return
        known = self._finite.get(x.name)
        self._finite[x.name] = (x, allow_nan and (known is None or known[1]))

    def carries(self, source: Matrix, target: Matrix) -> None:
        """Wherever ``source`` is infinite or NaN, ``target`` is one of both in the same row.

        So a check of ``target`` that allows neither makes one of ``source`` superfluous.
        """
        self._carried.setdefault(source.name, set()).add(target.name)

    def _is_checked_later(self, name: str) -> bool:
        for target in self._carried.get(name, ()):
            checked = self._finite.get(target)
            if (checked and not checked[1]) or self._is_checked_later(target):
                return True
        return False

    def _finite_checks(self) -> None:
        for name, (x, allow_nan) in list(self._finite.items()):
            if self._is_checked_later(name):
                continue
            if allow_nan:
                self.refuse(self.any_of(self.add("IsInf", [name])))
            else:  # 0 times anything finite is 0, else NaN
                zeros = self.add("Mul", [name, self.constant(np.zeros((), x.dtype))])
                axis = self.constant(np.array([1], np.int64))
                total = self.add("ReduceSum", [zeros, axis], keepdims=0)
                self.refuse(self.add("IsNaN", [total]))

    def _refused_rows(self) -> str | None:
        """BOOL [N]: everything refused; None where nothing is."""
        self._finite_checks()
        if not self._refused:
            return None
        found = self._refused[0]
        for other in self._refused[1:]:
            found = self.add("Or", [found, other])
        return found

    # --- the whole -------------------------------------------------------------------------------

    def to_bytes(
        self,
        inputs: Sequence[tuple[str, str, Sequence[int]]],
        outputs: Sequence[tuple[str, str, Sequence[int]]],
        layout: Mapping[str, Any],
    ) -> bytes:
        """The ModelProto. Inputs and outputs are (name, element type, shape of one row).

        The layout goes into the metadata, with the tensor of refused rows under ``refused`` (null
        where the original refuses none).
        """
        refused = self._refused_rows()
        results = [_declared(*output) for output in outputs]
        if refused is not None:
            results.append(_declared(refused, "bool", ()))
        nodes, used = self._needed({result.name for result in results})
        graph = helper.make_graph(
            nodes,
            "modelyard",
            [_declared(*given) for given in inputs],
            results,
            initializer=[one for one in self._initializers if one.name in used],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        told = json.dumps({**layout, "refused": refused})
        helper.set_model_props(model, {LAYOUT_KEY: told})
        return bytes(model.SerializeToString())

    def _needed(self, names: set[str]) -> tuple[list[onnx.NodeProto], set[str]]:
        """The nodes that these tensors come from, in order, and all that they use."""
        used, kept = set(names), []
        for node in reversed(self._nodes):
            if used.intersection(node.output):
                used.update(node.input)
                kept.append(node)
        return kept[::-1], used

    def _new_name(self) -> str:
        self._count += 1
        return f"t{self._count}"


def _declared(name: str, element: str, row_shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, ELEMENTS[element], ["N", *row_shape])


def _tensor(array: np.ndarray, name: str) -> onnx.TensorProto:
    if array.dtype == object:
        texts: Any = [str(text).encode() for text in array.ravel().tolist()]
        return helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
    return numpy_helper.from_array(array, name)


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _tensor(value.astype(object) if value.dtype.kind == "U" else value, "")
    if isinstance(value, np.generic):
        return value.item()
    return value


def _frozen(given: Any) -> Any:
    """Something hashable that is equal where the attributes are."""
    if isinstance(given, Integers):
        return given.values.tobytes()
    if isinstance(given, dict):
        return tuple((key, _frozen(value)) for key, value in sorted(given.items()))
    if isinstance(given, np.ndarray):
        is_text = given.dtype.kind in "OU"
        content = tuple(given.ravel().tolist()) if is_text else given.tobytes()
        return (given.dtype.str, given.shape, content)
    if isinstance(given, list | tuple):
        return tuple(_frozen(one) for one in given)
    return (type(given).__name__, repr(given))
