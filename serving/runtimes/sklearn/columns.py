"""What a fitted object tells of each of its input columns, and how each is handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.signature.facts import ColumnHint
from serving.runtimes.base import Label
from serving.runtimes.sklearn import anatomy
from serving.runtimes.sklearn.facts import dict_keys
from serving.runtimes.sklearn.inputs import ColumnPlan


@dataclass(frozen=True, slots=True)
class Way:
    """A branch as its columns see it, worked out once however many columns it has.

    ``positions``: column of the whole -> column of the branch, None when it takes all.
    ``known``: the categories by column of the branch.
    """

    leaf: Any
    positions: Mapping[int, int] | None
    survives_missing: bool
    known: Mapping[int, np.ndarray]


def ways_of(found: Sequence[anatomy.Branch]) -> tuple[Way, ...]:
    """The branches, worked out."""
    return tuple(
        Way(
            leaf=branch.leaf,
            positions=None
            if branch.columns is None
            else {column: at for at, column in enumerate(branch.columns)},
            survives_missing=anatomy.survives_missing(branch),
            known=anatomy.categories_at(branch) or {},
        )
        for branch in found
    )


def column_hints(
    found: Sequence[anatomy.Branch], names: tuple[str, ...] | None, n_features: int | None
) -> dict[str, ColumnHint]:
    """A hint for every column; names ``x0``, ``x1``, ... where the object knows none."""
    for branch in found:
        if isinstance(branch.leaf, anatomy.DICT_STEPS):
            return {
                key: ColumnHint("string" if texts else "float64", True, texts or None)
                for key, texts in dict_keys(branch.leaf).items()
            }
    labels = names or tuple(f"x{i}" for i in range(n_features or 1))
    ways = ways_of(found)
    return {name: _hint(_touching(ways, at)) for at, name in enumerate(labels)}


def _touching(ways: Sequence[Way], at: int) -> list[tuple[Way, int]]:
    """The ways that a column takes, with its position in each."""
    whole = [(way, at) for way in ways if way.positions is None]
    return whole + [(w, w.positions[at]) for w in ways if w.positions and at in w.positions]


def _hint(touching: Sequence[tuple[Way, int]]) -> ColumnHint:
    known = _known_at(touching)
    leaves = [way.leaf for way, _ in touching]
    is_text = any(isinstance(leaf, anatomy.TEXT_STEPS) for leaf in leaves)
    return ColumnHint(
        type="string" if is_text else _type_of(known or ()),
        accepts_missing=all(way.survives_missing for way, _ in touching),
        categories=known,
        unknown_raises=any(_raises_on_unknown(leaf) for leaf in leaves),
        dtype_category=any(_wants_category(way.leaf, at) for way, at in touching),
    )


def _type_of(known: Sequence[Label]) -> str | None:
    """The type of a column with these categories, where only one will do.

    An encoder of truth values takes the text ``True`` for a stranger, whom it may let pass.
    """
    if any(isinstance(value, str) for value in known):
        return "string"
    return "boolean" if known and all(isinstance(value, bool) for value in known) else None


def _known_at(touching: Sequence[tuple[Way, int]]) -> tuple[Label, ...] | None:
    """The categories of the first encoder that takes the column, without the missing one."""
    for way, at in touching:
        if at in way.known:
            if way.known[at].dtype.kind == "M":
                return None
            plain = [v for v in way.known[at].tolist() if isinstance(v, bool | int | float | str)]
            return tuple(v for v in plain if v == v)
    return None


def _raises_on_unknown(leaf: Any) -> bool:
    raising = getattr(leaf, "handle_unknown", None) == "error"
    return isinstance(leaf, anatomy.ENCODERS) and raising


def _wants_category(leaf: Any, position: int) -> bool:
    if not isinstance(leaf, anatomy.HIST_BOOSTING) or leaf.is_categorical_ is None:
        return False
    by_dtype = isinstance(leaf.categorical_features, str)
    return by_dtype and bool(leaf.is_categorical_[position])


def takes_numbers_only(found: Sequence[anatomy.Branch], hints: Mapping[str, ColumnHint]) -> bool:
    """Whether every column may be read as float64."""
    if any(hint.type == "string" or hint.dtype_category for hint in hints.values()):
        return False
    return all(_takes_numbers(branch) for branch in found)


def takes_anything(found: Sequence[anatomy.Branch]) -> bool:
    """Whether no column is looked at."""
    return bool(found) and all(isinstance(branch.leaf, anatomy.BLIND_STEPS) for branch in found)


def _takes_numbers(branch: anatomy.Branch) -> bool:
    leaf = branch.leaf
    if branch.dropped or leaf is None:
        return False
    if isinstance(leaf, anatomy.TEXT_STEPS + anatomy.DICT_STEPS + anatomy.LABEL_STEPS):
        return False
    if isinstance(leaf, anatomy.IMPUTERS):
        fitted = getattr(leaf, "_fit_dtype", np.dtype(np.float64))
        return bool(np.dtype(fitted).kind in "biuf")
    known = anatomy.categories_at(branch)
    if known is not None:
        return all(values.dtype.kind in "biuf" for values in known.values())
    return True


def column_plans(
    found: Sequence[anatomy.Branch], hints: Mapping[str, ColumnHint]
) -> dict[str, ColumnPlan]:
    """How each column is handed over; only the columns that need something are named."""
    plans = {}
    ways = ways_of(found)
    for at, (name, hint) in enumerate(hints.items()):
        plan = _plan(_touching(ways, at), hint)
        if plan != ColumnPlan():
            plans[name] = plan
    return plans


def _plan(touching: Sequence[tuple[Way, int]], hint: ColumnHint) -> ColumnPlan:
    arrays = [way.known[at] for way, at in touching if at in way.known]
    present = [v for v in (arrays[0] if arrays else ()) if v is not None and v == v]
    return ColumnPlan(
        none_is_missing=any(None in a.tolist() for a in arrays if a.dtype.kind == "O")
        or any(_misses_none(way.leaf) for way, _ in touching),
        naive_time=any(a.dtype.kind == "M" for a in arrays),
        categories=tuple(present) if hint.dtype_category else None,
        sample=present[0] if present else None,
    )


def _misses_none(leaf: Any) -> bool:
    return isinstance(leaf, anatomy.IMPUTERS) and getattr(leaf, "missing_values", 0) is None
