"""Functions in pieces, and SplineTransformer, whose splines are polynomials between knots.

Which piece a value falls into is found by a TreeEnsemble: a balanced tree over the borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import as_doubles
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.tree_nodes import LT, Tree, TreeTable
from serving.runtimes.compiled.convert.values import Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

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


def gathered(builder: GraphBuilder, table: np.ndarray, at: str) -> str:
    """Entries of a table (columns, pieces, ...) for INT64 [N, columns] of pieces."""
    columns, pieces = table.shape[:2]
    starts = np.arange(columns, dtype=np.int64) * pieces
    flat = builder.constant(np.ascontiguousarray(table.reshape(columns * pieces, *table.shape[2:])))
    places = builder.add("Add", [at, builder.constant(starts)])
    return str(builder.add("Gather", [flat, places], axis=0))


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
    away = builder.add("Sub", [x.name, gathered(builder, starts, passed)])
    away = builder.add("Unsqueeze", [away, axis])
    made = gathered(builder, powers[..., -1], passed)
    for power in range(powers.shape[3] - 2, -1, -1):
        made = builder.add("Mul", [made, away])
        made = builder.add("Add", [made, gathered(builder, powers[..., power], passed)])
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
