"""Scalers, normalizers, thresholds and power transforms, in the order of scikit-learn's arithmetic.

Each writes into its input there, so that float32 stays float32 with float64 in between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import as_doubles, as_floats, as_matrix
from serving.runtimes.compiled.convert.functions import expm1, log1p
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

_EPS = np.finfo(np.float64).eps


def in_place(builder: GraphBuilder, op: str, x: Matrix, operand: Any) -> Matrix:
    """``x op= operand`` in numpy: computed in the wider type, kept in that of ``x``."""
    other = builder.constant(np.asarray(operand, dtype=np.float64))
    wide = builder.as_double(x)
    made = Matrix(builder.add(op, [wide.name, other]), x.width)
    return builder.as_type(made, x.dtype)


def _checked(builder: GraphBuilder, value: Value) -> Matrix:
    x = as_floats(builder, value)
    builder.refuse_not_finite(x, allow_nan=True)
    return x


def standard(builder: GraphBuilder, scaler: Any, value: Value) -> Matrix:
    """(x - mean) / scale, with both in the type of x."""
    x = made = _checked(builder, value)
    if scaler.with_mean:
        mean = builder.constant(scaler.mean_.astype(x.dtype))
        made = Matrix(builder.add("Sub", [made.name, mean]), x.width, x.dtype)
    if scaler.with_std:
        scale = builder.constant(scaler.scale_.astype(x.dtype))
        made = Matrix(builder.add("Div", [made.name, scale]), x.width, x.dtype)
    builder.carries(x, made)
    return made


def min_max(builder: GraphBuilder, scaler: Any, value: Value) -> Matrix:
    """x * scale + min, clipped where the scaler clips."""
    x = _checked(builder, value)
    made = in_place(builder, "Mul", x, scaler.scale_)
    made = in_place(builder, "Add", made, scaler.min_)
    if scaler.clip:
        return _clipped(builder, made, *scaler.feature_range)
    builder.carries(x, made)
    return made


def _clipped(builder: GraphBuilder, x: Matrix, low: float, high: float) -> Matrix:
    bounds = [builder.constant(np.asarray(bound, x.dtype)) for bound in (low, high)]
    return Matrix(builder.add("Clip", [x.name, *bounds]), x.width, x.dtype)


def max_abs(builder: GraphBuilder, scaler: Any, value: Value) -> Matrix:
    """x / scale."""
    x = _checked(builder, value)
    made = in_place(builder, "Div", x, scaler.scale_)
    if getattr(scaler, "clip", False):
        return _clipped(builder, made, -1.0, 1.0)
    builder.carries(x, made)
    return made


def robust(builder: GraphBuilder, scaler: Any, value: Value) -> Matrix:
    """(x - center) / scale."""
    x = made = _checked(builder, value)
    if scaler.with_centering:
        made = in_place(builder, "Sub", made, scaler.center_)
    if scaler.with_scaling:
        made = in_place(builder, "Div", made, scaler.scale_)
    builder.carries(x, made)
    return made


def normalizer(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """x over its norm by row; a norm of nearly zero counts as one."""
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x)
    return normalized(builder, x, step.norm)


def normalized(builder: GraphBuilder, x: Matrix, kind: str) -> Matrix:
    """The rows over their norms: l1, l2 or max."""
    axis = builder.constant(np.array([1], np.int64))
    if kind == "l2":
        squares = builder.add("ReduceSumSquare", [x.name, axis], keepdims=1)
        norm = builder.add("Sqrt", [squares])
    else:
        op = {"l1": "ReduceSum", "max": "ReduceMax"}[kind]
        norm = builder.add(op, [builder.add("Abs", [x.name]), axis], keepdims=1)
    is_tiny = builder.add("Less", [norm, builder.constant(10 * _EPS)])
    norm = builder.add("Where", [is_tiny, builder.constant(1.0), norm])
    return Matrix(builder.add("Div", [x.name, norm]), x.width)


def binarizer(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """1 where x is above the threshold, else 0, in the type of x."""
    x = as_matrix(builder, value)
    builder.refuse_not_finite(x)
    if x.dtype == "bool":
        raise NotCompiled("binarized-booleans", "Truth values are binarized.")
    wide = builder.as_double(x)
    above = builder.add("Greater", [wide.name, builder.constant(float(step.threshold))])
    return Matrix(builder.cast(above, x.dtype), x.width, x.dtype)


def power(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """Yeo-Johnson and Box-Cox as scipy 1.16 computes them, then standardized."""
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x, allow_nan=True)
    made = {"yeo-johnson": _yeo_johnson, "box-cox": _box_cox}[step.method](
        builder, x, np.asarray(step.lambdas_, np.float64)
    )
    return standard(builder, step._scaler, made) if step.standardize else made


def _yeo_johnson(builder: GraphBuilder, x: Matrix, lambdas: np.ndarray) -> Matrix:
    zero = builder.constant(0.0)
    is_positive = builder.add("GreaterOrEqual", [x.name, zero])
    size = builder.add("Abs", [x.name])
    log = log1p(builder, size)
    up = _power(builder, log, lambdas, np.abs(lambdas) < _EPS)
    down = _power(builder, log, 2 - lambdas, np.abs(lambdas - 2) <= _EPS)
    made = builder.add("Where", [is_positive, up, builder.add("Neg", [down])])
    return Matrix(made, x.width)


def _power(builder: GraphBuilder, log: str, powers: np.ndarray, is_log: np.ndarray) -> str:
    """expm1(power * log) / power, or the logarithm itself, column by column."""
    safe = np.where(is_log, 1.0, powers)
    grown = expm1(builder, builder.add("Mul", [log, builder.constant(safe)]))
    made = builder.add("Div", [grown, builder.constant(safe)])
    if is_log.any():
        made = builder.add("Where", [builder.constant(is_log), log, made])
    return str(made)


def _box_cox(builder: GraphBuilder, x: Matrix, lambdas: np.ndarray) -> Matrix:
    below = builder.add("LessOrEqual", [x.name, builder.constant(0.0)])
    builder.refuse(builder.any_of(below))
    log = builder.add("Log", [x.name])
    return Matrix(_power(builder, log, lambdas, np.abs(lambdas) < 1e-19), x.width)
