"""Bins and products of columns: KBinsDiscretizer and PolynomialFeatures."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import as_doubles, pick
from serving.runtimes.compiled.convert.encoding import one_hot
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

MAX_PRODUCTS = 4096


def bins(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """The number of inner edges that are not above the value."""
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x)
    if step.dtype is not None and np.dtype(step.dtype) != np.float64:
        raise NotCompiled("float32-columns", "A step computes in float32.")
    inner = [np.asarray(edges)[1:-1] for edges in step.bin_edges_]
    most = max(1, *(len(edges) for edges in inner))
    edges = np.full((x.width, most), np.inf)  # finite values are all below
    for at, found in enumerate(inner):
        edges[at, : len(found)] = found
    axis = builder.constant(np.array([2], np.int64))
    cells = builder.add("Unsqueeze", [x.name, axis])
    reached = builder.add("GreaterOrEqual", [cells, builder.constant(edges)])
    counted = builder.add("ReduceSum", [builder.cast(reached, "float64"), axis], keepdims=0)
    codes = Matrix(counted, x.width)
    if step.encode == "ordinal":
        return codes
    return builder.as_double(one_hot(builder, step._encoder, codes))


def products(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """Products of columns, degree by degree, the last factor first as scikit-learn multiplies."""
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x)
    chosen = list(
        step._combinations(
            n_features=x.width,
            min_degree=step._min_degree,
            max_degree=step._max_degree,
            interaction_only=step.interaction_only,
            include_bias=step.include_bias,
        )
    )
    if len(chosen) > MAX_PRODUCTS:
        raise NotCompiled("too-wide", f"{len(chosen)} products of columns are made.")
    parts = [x]
    places: dict[tuple[int, ...], int] = {(at,): at for at in range(x.width)}
    level = dict(places)
    for degree in range(2, step._max_degree + 1):
        wanted = sorted(_tails(chosen, degree))
        if not wanted:
            break
        start = sum(part.width for part in parts)
        first = pick(builder, x, [combo[0] for combo in wanted])
        rest = pick(builder, parts[-1], [level[combo[1:]] for combo in wanted])
        parts.append(Matrix(builder.add("Mul", [rest.name, first.name]), len(wanted)))
        level = {combo: at for at, combo in enumerate(wanted)}
        places |= {combo: start + at for at, combo in enumerate(wanted)}
    return _assembled(builder, parts, [combo for combo in chosen if combo], places, chosen)


def _tails(chosen: list[tuple[int, ...]], degree: int) -> set[tuple[int, ...]]:
    """The last factors of all products that have at least so many."""
    return {combo[-degree:] for combo in chosen if len(combo) >= degree}


def _assembled(
    builder: GraphBuilder,
    parts: list[Matrix],
    combos: list[tuple[int, ...]],
    places: dict[tuple[int, ...], int],
    chosen: list[tuple[int, ...]],
) -> Matrix:
    names = [part.name for part in parts]
    width = sum(part.width for part in parts)
    joined = names[0] if len(names) == 1 else builder.add("Concat", names, axis=1)
    made = pick(builder, Matrix(joined, width), [places[combo] for combo in combos])
    if len(chosen) > len(combos):  # the constant column stands first
        first = pick(builder, parts[0], [0])
        one = builder.add("Pow", [first.name, builder.constant(0.0)])
        made = Matrix(builder.add("Concat", [one, made.name], axis=1), len(chosen))
    return made
