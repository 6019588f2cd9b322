"""FunctionTransformer with the functions of numpy that ONNX computes to the last digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Frame, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

# Integers of these types become float64 in numpy's functions; narrower ones do not.
_WIDE = ("int64", "int32", "uint32", "float64")


def log1p(builder: GraphBuilder, x: str) -> str:
    """log(1 + x) to the last digits: W. Kahan's correction of the rounding of 1 + x."""
    one, infinite = builder.constant(1.0), builder.constant(np.inf)
    u = builder.add("Add", [x, one])
    log = builder.add("Log", [u])
    corrected = builder.add("Div", [builder.add("Mul", [log, x]), builder.add("Sub", [u, one])])
    is_small = builder.add("Equal", [u, one])
    plain = builder.add("Or", [is_small, builder.add("Equal", [u, infinite])])
    return str(builder.add("Where", [plain, x, corrected]))


def expm1(builder: GraphBuilder, x: str) -> str:
    """exp(x) - 1 to the last digits, by the same correction.

    Where exp(x) is 1 the answer is x; where it vanishes or is beyond measure, exp(x) - 1.
    """
    one = builder.constant(1.0)
    u = builder.add("Exp", [x])
    less = builder.add("Sub", [u, one])
    corrected = builder.add("Mul", [less, builder.add("Div", [x, builder.add("Log", [u])])])
    is_near = builder.add("Less", [builder.add("Abs", [x]), one])
    found = builder.add("Where", [is_near, corrected, less])
    return str(builder.add("Where", [builder.add("Equal", [u, one]), x, found]))


def _node(op: str) -> Callable[[GraphBuilder, str], str]:
    return lambda builder, x: str(builder.add(op, [x]))


def _square(builder: GraphBuilder, x: str) -> str:
    return str(builder.add("Mul", [x, x]))


def _scaled_log(factor: float) -> Callable[[GraphBuilder, str], str]:
    def made(builder: GraphBuilder, x: str) -> str:
        return str(builder.add("Mul", [builder.add("Log", [x]), builder.constant(factor)]))

    return made


def _times(factor: float) -> Callable[[GraphBuilder, str], str]:
    return lambda builder, x: str(builder.add("Mul", [x, builder.constant(factor)]))


def _same(builder: GraphBuilder, x: str) -> str:
    return x


FUNCTIONS: dict[Any, Callable[[GraphBuilder, str], str]] = {
    np.log1p: log1p,
    np.expm1: expm1,
    np.log: _node("Log"),
    np.log2: _scaled_log(1 / np.log(2.0)),
    np.log10: _scaled_log(1 / np.log(10.0)),
    np.exp: _node("Exp"),
    np.sqrt: _node("Sqrt"),
    np.square: _square,
    np.abs: _node("Abs"),
    np.fabs: _node("Abs"),
    np.negative: _node("Neg"),
    np.positive: _same,
    np.sign: _node("Sign"),
    np.floor: _node("Floor"),
    np.ceil: _node("Ceil"),
    np.rint: _node("Round"),
    np.reciprocal: _node("Reciprocal"),
    np.tanh: _node("Tanh"),
    np.sin: _node("Sin"),
    np.cos: _node("Cos"),
    np.deg2rad: _times(np.pi / 180.0),
    np.radians: _times(np.pi / 180.0),
    np.rad2deg: _times(180.0 / np.pi),
    np.degrees: _times(180.0 / np.pi),
}


def convert(builder: GraphBuilder, transformer: Any, value: Value) -> Value:
    """The identity, or a function of numpy without arguments on numbers of 64 bits."""
    if transformer.validate:
        x = as_matrix(builder, value)
        builder.refuse_not_finite(x)
        value = x
    if transformer.func is None:
        return value
    function = FUNCTIONS.get(transformer.func) if callable(transformer.func) else None
    if function is None or transformer.kw_args:
        name = getattr(transformer.func, "__name__", "a function")
        raise NotCompiled("own-function", f"A FunctionTransformer calls {name}.")
    x = _numbers(builder, value)
    return Matrix(function(builder, x.name), x.width)


def _numbers(builder: GraphBuilder, value: Value) -> Matrix:
    """Every column as float64, which numpy's functions make of them."""
    if isinstance(value, Frame):
        is_wide = all(column.dtype in _WIDE for column in value.columns)
    else:
        is_wide = value.dtype == "float64"
    x = as_matrix(builder, value)
    if not is_wide or x.dtype != "float64":
        raise NotCompiled("function-of-integers", "A function meets other numbers than float64.")
    return x
