"""QuantileTransformer: interpolation between quantiles, and the normal distribution's quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from serving.runtimes.compiled.convert.columns import as_doubles
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.pieces import counted, gathered
from serving.runtimes.compiled.convert.values import Matrix, Value

# As in scikit-learn: nearer than this to a bound counts as beyond it.
_BOUND = 1e-7


def convert(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """The mean of the interpolations from below and from above, as scikit-learn takes it."""
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x, allow_nan=True)
    known = np.ascontiguousarray(np.asarray(step.quantiles_, np.float64).T)
    references = np.asarray(step.references_, np.float64)
    negative = Matrix(builder.add("Neg", [x.name]), x.width)
    up = _interpolated(builder, x, known, references)
    down = _interpolated(builder, negative, -known[:, ::-1], -references[::-1])
    both = builder.add("Sub", [up, down])
    made = builder.add("Mul", [both, builder.constant(0.5)])
    return Matrix(_bounded(builder, step, x, made, known), x.width)


def _interpolated(builder: GraphBuilder, x: Matrix, known: np.ndarray, values: np.ndarray) -> str:
    """``np.interp`` of each column: slope * (x - border) + value, the bounds beyond the borders."""
    passed = counted(builder, x, list(known))
    columns, count = known.shape
    with np.errstate(all="ignore"):
        slopes = (values[1:] - values[:-1]) / np.diff(known, axis=1)
    # Pieces: before the first border, between two, after the last; there the slope is zero.
    flat = np.zeros((columns, 1))
    rise = np.nan_to_num(np.hstack([flat, slopes, flat]), nan=0.0, posinf=0.0, neginf=0.0)
    start = np.hstack([known[:, :1], known])
    level = np.tile(np.concatenate([values[:1], values]), (columns, 1))
    assert start.shape == (columns, count + 1)
    away = builder.add("Sub", [x.name, gathered(builder, start, passed)])
    risen = builder.add("Mul", [gathered(builder, rise, passed), away])
    return str(builder.add("Add", [risen, gathered(builder, level, passed)]))


def _bounded(builder: GraphBuilder, step: Any, x: Matrix, made: str, known: np.ndarray) -> str:
    """0 and 1 at the bounds, NaN where it was, and the normal quantiles where those are wanted."""
    low, high = builder.constant(known[:, 0].copy()), builder.constant(known[:, -1].copy())
    is_normal = step.output_distribution == "normal"
    if is_normal:
        bound = builder.constant(_BOUND)
        is_low = builder.add("Less", [builder.add("Sub", [x.name, bound]), low])
        is_high = builder.add("Greater", [builder.add("Add", [x.name, bound]), high])
    else:
        is_low, is_high = builder.add("Equal", [x.name, low]), builder.add("Equal", [x.name, high])
    made = builder.add("Where", [is_high, builder.constant(1.0), made])
    made = builder.add("Where", [is_low, builder.constant(0.0), made])
    if is_normal:
        made = _normal(builder, made)
    return str(builder.add("Where", [builder.add("IsNaN", [x.name]), x.name, made]))


# The rational approximations of the normal quantile by S. L. Moshier (Cephes, ndtri): for the
# middle, and for the tails down to exp(-32).
_MIDDLE = (
    (
        -5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1,
        1.39312609387279679503e1, -1.23916583867381258016e0,
    ),
    (
        1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1,
        -2.25462687854119370527e2, 2.00260212380060660359e2, -8.20372256168333339912e1,
        1.59056225126211695515e1, -1.18331621121330003142e0,
    ),
)  # fmt: skip
_TAIL = (
    (
        4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1,
        4.40805073893200834700e1, 1.46849561928858024014e1, 2.18663306850790267539e0,
        -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4,
    ),
    (
        1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1,
        1.50425385692907503408e1, 2.50464946208309415979e0, -1.42182922854787788574e-1,
        -3.80806407691578277194e-2, -9.33259480895457427372e-4,
    ),
)  # fmt: skip


def _normal(builder: GraphBuilder, y: str) -> str:
    """The quantiles of the standard normal distribution, clipped as scikit-learn clips them."""
    spacing = np.spacing(1)
    low = float(stats.norm.ppf(_BOUND - spacing))
    high = float(stats.norm.ppf(1 - (_BOUND - spacing)))
    tail = np.exp(-2.0)
    inner = builder.add("Clip", [y, builder.constant(_BOUND), builder.constant(1 - _BOUND)])
    is_upper = builder.add("Greater", [inner, builder.constant(1.0 - tail)])
    mirrored = builder.add("Sub", [builder.constant(1.0), inner])
    near = builder.add("Where", [is_upper, mirrored, inner])
    size = _tail(builder, near)
    outer = builder.add("Where", [is_upper, size, builder.add("Neg", [size])])
    is_middle = builder.add("Greater", [near, builder.constant(tail)])
    made = builder.add("Where", [is_middle, _middle(builder, near), outer])
    clipped = builder.add("Clip", [made, builder.constant(low), builder.constant(high)])
    # The ends of the range are clipped in scikit-learn: their quantiles are infinite.
    is_first = builder.add("LessOrEqual", [y, builder.constant(0.0)])
    is_last = builder.add("GreaterOrEqual", [y, builder.constant(1.0)])
    clipped = builder.add("Where", [is_first, builder.constant(low), clipped])
    return str(builder.add("Where", [is_last, builder.constant(high), clipped]))


def _middle(builder: GraphBuilder, y: str) -> str:
    centred = builder.add("Sub", [y, builder.constant(0.5)])
    square = builder.add("Mul", [centred, centred])
    ratio = _ratio(builder, square, _MIDDLE)
    bent = builder.add("Mul", [centred, builder.add("Mul", [square, ratio])])
    found = builder.add("Add", [centred, bent])
    return str(builder.add("Mul", [found, builder.constant(float(np.sqrt(2 * np.pi)))]))


def _tail(builder: GraphBuilder, y: str) -> str:
    squared = builder.add("Mul", [builder.add("Log", [y]), builder.constant(-2.0)])
    x = builder.add("Sqrt", [squared])
    first = builder.add("Sub", [x, builder.add("Div", [builder.add("Log", [x]), x])])
    z = builder.add("Reciprocal", [x])
    correction = builder.add("Mul", [z, _ratio(builder, z, _TAIL)])
    return str(builder.add("Sub", [first, correction]))


def _ratio(builder: GraphBuilder, x: str, of: tuple[tuple[float, ...], tuple[float, ...]]) -> str:
    """One polynomial over another, the highest power first."""
    made = []
    for numbers in of:
        found = builder.constant(numbers[0])
        for number in numbers[1:]:
            found = builder.add("Mul", [found, x])
            found = builder.add("Add", [found, builder.constant(number)])
        made.append(found)
    return str(builder.add("Div", made))
