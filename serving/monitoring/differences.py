"""Plain: how two answers to the same rows differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from registry.signature.outputs import prediction_column, value_column
from serving.runtimes.base import Answer, Block, Kind, Label

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


@dataclass(frozen=True, slots=True)
class Pair:
    """Values of both that mean the same. ``label`` is that of a probability, a decision or a
    transform's column, None where a block has one array.
    """

    kind: Kind
    output: str | None
    label: Label | None
    served: pa.Array
    mirrored: pa.Array

    @property
    def is_number(self) -> bool:
        """Whether both are numbers, which differ by more or less; all else is equal or not."""
        return _is_number(self.served) and _is_number(self.mirrored)

    @property
    def column(self) -> str:
        """What table answers call it."""
        if self.kind == "prediction":
            return prediction_column(self.output)
        if self.kind == "transform":
            return str(self.label)
        name = "probability" if self.kind == "probabilities" else self.kind
        if self.label is None:
            return name if self.output is None else f"{name}_{self.output}"
        return value_column(name, self.output, self.label)


def differences(served: Answer, mirrored: Answer) -> Differences:
    """Compare what both answered. A probability of a label that one side lacks is 0 there.

    Raises ValueError when the answers have different numbers of rows.
    """
    found = Differences(served.n_rows)
    is_other: Flags = np.zeros(served.n_rows, bool)
    for pair in pairs(served, mirrored):
        if pair.is_number:
            signed, is_one_sided = apart(pair)
            _add_numbers(found, np.abs(signed[np.isfinite(signed)]))
            is_other |= is_one_sided
        else:
            is_other |= labels_differ(pair)
    found.differing = np.flatnonzero(is_other).tolist()
    return found


def pairs(served: Answer, mirrored: Answer) -> Iterator[Pair]:
    """What both answered, in the order of ``served``, then what only ``mirrored`` has labels for.

    Raises ValueError when the answers have different numbers of rows.
    """
    if served.n_rows != mirrored.n_rows:
        raise ValueError(f"{mirrored.n_rows} answers to {served.n_rows} rows")
    others = {(block.kind, block.output): block for block in mirrored.blocks}
    for block in served.blocks:
        other = others.get((block.kind, block.output))
        if other is None:
            continue
        if block.labels is None or other.labels is None:
            if block.labels is other.labels is None:
                yield Pair(block.kind, block.output, None, block.arrays[0], other.arrays[0])
            continue
        ours, theirs = _by_label(block), _by_label(other)
        nothing = pa.array(np.zeros(served.n_rows))
        for key in dict.fromkeys((*ours, *theirs)):
            if block.kind == "probabilities" or (key in ours and key in theirs):
                one, two = ours.get(key, nothing), theirs.get(key, nothing)
                yield Pair(block.kind, block.output, key[1], one, two)


def apart(pair: Pair) -> tuple[Floats, Flags]:
    """Served less mirrored, NaN unless both are finite; and where only one side has a number.

    Equal infinities do not differ. A difference too large for a float is the largest float.
    """
    one, other = _floats(pair.served), _floats(pair.mirrored)
    is_finite = np.isfinite(one) & np.isfinite(other)
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    signed: Floats = np.full(len(one), np.nan)
    with np.errstate(over="ignore"):
        np.subtract(one, other, out=signed, where=is_finite)
    most = np.finfo(np.float64).max
    return np.clip(signed, -most, most), ~is_same & ~is_finite


def labels_differ(pair: Pair) -> Flags:
    """Labels of different types differ, 1 and True too."""
    one, other = pair.served, pair.mirrored
    if pa.types.is_boolean(one.type) != pa.types.is_boolean(other.type):
        return np.ones(len(one), bool)
    both = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return np.array([a != b for a, b in both], bool)


def _by_label(block: Block) -> dict[tuple[str, Label], pa.Array]:
    # The type counts: 1 and True are equal in Python, and are two labels.
    labels = [(type(label).__name__, label) for label in block.labels or ()]
    return dict(zip(labels, block.arrays, strict=True))


def _is_number(array: pa.Array) -> bool:
    return bool(pa.types.is_floating(array.type))


def _floats(array: pa.Array) -> Floats:
    values: Floats = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _add_numbers(found: Differences, distances: Floats) -> None:
    found.numbers += int(distances.size)
    found.total += float(distances.sum())
    found.largest = max(found.largest, float(distances.max(initial=0.0)))
