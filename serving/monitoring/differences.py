"""Plain: how two answers to the same rows differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from serving.runtimes.base import Answer, Block, Label

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(slots=True)
class Differences:
    """Of ``rows``, those in ``differing`` (0-based, ascending) have another label, or a number
    that only one side has. ``numbers`` were compared; ``total`` adds their absolute differences up,
    ``largest`` is the largest of them.
    """

    rows: int
    differing: list[int] = field(default_factory=list)
    numbers: int = 0
    total: float = 0.0
    largest: float = 0.0


def differences(served: Answer, mirrored: Answer) -> Differences:
    """Compare what both answered. A probability of a label that one side lacks is 0 there.

    Raises ValueError when the answers have different numbers of rows.
    """
    if served.n_rows != mirrored.n_rows:
        raise ValueError(f"{mirrored.n_rows} answers to {served.n_rows} rows")
    found = Differences(served.n_rows)
    is_other: Flags = np.zeros(served.n_rows, bool)
    for one, other in _pairs(served, mirrored):
        if _is_number(one) and _is_number(other):
            is_other |= _compare_numbers(found, _floats(one), _floats(other))
        else:
            is_other |= _labels_differ(one, other)
    found.differing = np.flatnonzero(is_other).tolist()
    return found


def _pairs(served: Answer, mirrored: Answer) -> Iterator[tuple[pa.Array, pa.Array]]:
    """The arrays of both that mean the same."""
    others = {(block.kind, block.output): block for block in mirrored.blocks}
    for block in served.blocks:
        other = others.get((block.kind, block.output))
        if other is None:
            continue
        if block.labels is None or other.labels is None:
            if block.labels is other.labels is None:
                yield block.arrays[0], other.arrays[0]
            continue
        ours, theirs = _by_label(block), _by_label(other)
        nothing = pa.array(np.zeros(served.n_rows))
        shared = ours.keys() | theirs.keys()
        if block.kind != "probabilities":
            shared = ours.keys() & theirs.keys()
        for label in shared:
            yield ours.get(label, nothing), theirs.get(label, nothing)


def _by_label(block: Block) -> dict[tuple[str, Label], pa.Array]:
    # The type counts: 1 and True are equal in Python, and are two labels.
    labels = [(type(label).__name__, label) for label in block.labels or ()]
    return dict(zip(labels, block.arrays, strict=True))


def _is_number(array: pa.Array) -> bool:
    return bool(pa.types.is_floating(array.type))


def _floats(array: pa.Array) -> Floats:
    values: Floats = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _compare_numbers(found: Differences, one: Floats, other: Floats) -> Flags:
    """Add to ``found``; True where only one side has a number. Equal infinities do not differ."""
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    is_finite = np.isfinite(one) & np.isfinite(other)
    apart = np.abs(one[is_finite] - other[is_finite])
    found.numbers += int(apart.size)
    found.total += float(apart.sum())
    found.largest = max(found.largest, float(apart.max(initial=0.0)))
    one_sided: Flags = ~is_same & ~is_finite
    return one_sided


def _labels_differ(one: pa.Array, other: pa.Array) -> Flags:
    """Labels of different types differ, 1 and True too."""
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    is_bool = pa.types.is_boolean(one.type) == pa.types.is_boolean(other.type)
    return np.array([not is_bool or a != b for a, b in pairs], bool)
