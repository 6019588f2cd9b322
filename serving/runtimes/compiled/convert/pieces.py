"""Functions in pieces: QuantileTransformer's interpolation and SplineTransformer's polynomials.

Which piece a value falls into is found by a TreeEnsemble: a balanced tree over the borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np
from scipy import stats

from serving.runtimes.compiled.convert.columns import as_doubles
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.tree_nodes import LT, Tree, TreeTable
from serving.runtimes.compiled.convert.values import Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

# As in scikit-learn: nearer than this to a bound counts as beyond it.
_BOUND = 1e-7
MAX_CELLS = 1 << 20


def counted(builder: GraphBuilder, x: Matrix, borders: Sequence[np.ndarray]) -> str:
    """INT64 [N, columns]: how many of its column's sorted borders are not above a value.

    NaN has passed all of them.
    """
    table = TreeTable(len(borders))
    for column, found in enumerate(borders):
        table.add(*_search_tree(column, np.asarray(found, np.float64)), column)
    return builder.cast(table.emit(builder, x.name), "int64")


def _search_tree(column: int, borders: np.ndarray) -> tuple[Tree, np.ndarray]:
    left: list[int] = []
    right: list[int] = []
    threshold: list[float] = []
    counts: list[float] = []

    def grow(low: int, high: int) -> int:
        """A node for the borders from ``low`` to before ``high``."""
        at = len(left)
        middle = (low + high) // 2
        is_leaf = low == high
        left.append(-1)
        right.append(-1)
        threshold.append(0.0 if is_leaf else float(borders[middle]))
        counts.append(float(low))
        if not is_leaf:
            left[at] = grow(low, middle)
            right[at] = grow(middle + 1, high)
        return at

    grow(0, len(borders))
    size = len(left)
    tree = Tree(
        left=np.array(left),
        right=np.array(right),
        feature=np.full(size, column),
        threshold=np.array(threshold),
        missing_left=np.zeros(size),
        test=LT,
    )
    return tree, np.array(counts)


def _gathered(builder: GraphBuilder, table: np.ndarray, at: str) -> str:
    """Entries of a table (columns, pieces, ...) for INT64 [N, columns] of pieces."""
    columns, pieces = table.shape[:2]
    starts = np.arange(columns, dtype=np.int64) * pieces
    flat = builder.constant(np.ascontiguousarray(table.reshape(columns * pieces, *table.shape[2:])))
    places = builder.add("Add", [at, builder.constant(starts)])
    return str(builder.add("Gather", [flat, places], axis=0))


# --- QuantileTransformer -------------------------------------------------------------------------


def quantiles(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
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
    away = builder.add("Sub", [x.name, _gathered(builder, start, passed)])
    risen = builder.add("Mul", [_gathered(builder, rise, passed), away])
    return str(builder.add("Add", [risen, _gathered(builder, level, passed)]))


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


# --- SplineTransformer ---------------------------------------------------------------------------


def splines(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """The B-spline basis of each column as polynomials on the pieces between its knots."""
    x = as_doubles(builder, value)
    takes_gaps = getattr(step, "handle_missing", "error") == "zeros"
    builder.refuse_not_finite(x, allow_nan=takes_gaps)
    _require_plain(step)
    pieces = [_pieces(spline, step) for spline in step.bsplines_]
    most = max(len(starts) for _, starts, _ in pieces)
    size = step.degree + 1
    width = pieces[0][2].shape[1]
    if len(pieces) * most * width * size > MAX_CELLS:
        raise NotCompiled("too-wide", "The splines have too many pieces.")
    starts = np.zeros((x.width, most))
    powers = np.zeros((x.width, most, width, size))
    for at, (_, begins, found) in enumerate(pieces):
        starts[at, : len(begins)] = begins
        powers[at, : len(begins), :, : found.shape[2]] = found
    passed = counted(builder, x, [one[0] for one in pieces])
    if step.extrapolation == "error":
        _refuse_outside(builder, x, [one[0] for one in pieces])
    made = _evaluated(builder, x, passed, starts, powers)
    if takes_gaps:
        axis = builder.constant(np.array([2], np.int64))
        gaps = builder.add("Unsqueeze", [builder.add("IsNaN", [x.name]), axis])
        made = builder.add("Where", [gaps, builder.constant(0.0), made])
    kept = width if step.include_bias else width - 1
    if kept < width:
        ends = [builder.constant(np.array([n], np.int64)) for n in (0, kept, 2)]
        made = builder.add("Slice", [made, *ends])
    shape = builder.constant(np.array([0, x.width * kept], np.int64))
    return Matrix(builder.add("Reshape", [made, shape]), x.width * kept)


def _require_plain(step: Any) -> None:
    if step.extrapolation == "periodic":
        raise NotCompiled("periodic-splines", "Periodic splines are not compiled.")
    # scikit-learn 1.9 counts otherwise there from the second column on, and fails for steps.
    least = 2 if step.extrapolation == "linear" else 1
    if step.degree < least:
        raise NotCompiled("low-splines", f"Splines of degree {step.degree} are not compiled.")


def _evaluated(
    builder: GraphBuilder, x: Matrix, passed: str, starts: np.ndarray, powers: np.ndarray
) -> str:
    """DOUBLE [N, columns, splines] by Horner's rule."""
    axis = builder.constant(np.array([2], np.int64))
    away = builder.add("Sub", [x.name, _gathered(builder, starts, passed)])
    away = builder.add("Unsqueeze", [away, axis])
    made = _gathered(builder, powers[..., -1], passed)
    for power in range(powers.shape[3] - 2, -1, -1):
        made = builder.add("Mul", [made, away])
        made = builder.add("Add", [made, _gathered(builder, powers[..., power], passed)])
    return made


def _pieces(spline: Any, step: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Borders of the pieces, where each begins, and coefficients (pieces, splines, powers)."""
    degree, knots = spline.k, np.asarray(spline.t, np.float64)
    inner = knots[degree : len(knots) - degree]
    low, high = inner[0], inner[-1]
    inner = np.unique(inner)
    # The last border belongs to the last piece.
    borders = np.concatenate([[low], inner[1:-1], [np.nextafter(high, np.inf)]])
    begins = np.concatenate([[low], inner[:-1], [high]])
    middle = np.stack([_powers(spline, begin, degree) for begin in inner[:-1]])
    below, above = np.zeros_like(middle[:1]), np.zeros_like(middle[:1])
    if step.extrapolation == "continue":
        below, above, begins[-1] = middle[:1], middle[-1:], inner[-2]
    elif step.extrapolation in ("constant", "linear"):
        below, above = _beyond(spline, step, low, high, middle.shape[2])
    return borders, begins, np.concatenate([below, middle, above])


def _powers(spline: Any, begin: float, degree: int) -> np.ndarray:
    """(splines, degree + 1): the Taylor coefficients to the right of a knot."""
    return np.stack([spline(begin, nu=nu) / factorial(nu) for nu in range(degree + 1)], axis=-1)


def _beyond(
    spline: Any, step: Any, low: float, high: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first splines below, the last ones above: their values at the bounds, and slopes."""
    count = spline.k
    made = []
    for bound, is_low in ((low, True), (high, False)):
        values = np.asarray(spline(bound))
        found = np.zeros((1, len(values), size))
        chosen = slice(0, count) if is_low else slice(len(values) - count, len(values))
        found[0, chosen, 0] = values[chosen]
        if step.extrapolation == "linear":
            found[0, chosen, 1] = np.asarray(spline(bound, nu=1))[chosen]
        made.append(found)
    return made[0], made[1]


def _refuse_outside(builder: GraphBuilder, x: Matrix, borders: list[np.ndarray]) -> None:
    low = builder.constant(np.array([found[0] for found in borders]))
    high = builder.constant(np.array([found[-1] for found in borders]))
    is_below = builder.add("Less", [x.name, low])
    is_above = builder.add("GreaterOrEqual", [x.name, high])
    builder.refuse(builder.any_of(builder.add("Or", [is_below, is_above])))
