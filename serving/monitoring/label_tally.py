"""Plain: which labels two versions gave to the same rows, counted pair by pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from serving.monitoring.short import short
from serving.protocols.answers import json_values

# A table of more labels than that is no table that anybody reads.
LABELS_MAX = 50

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
# The type stands there too: 1, 1.0 and True are equal in Python, and are three labels.
_Key = tuple[str, Any]


@dataclass(slots=True)
class LabelTally:
    """Of ``count`` rows, ``differ`` have another label.

    ``pairs`` counts rows by both labels; None when there are more than 50 labels, or when the
    labels may not be written down.
    """

    count: int = 0
    differ: int = 0
    pairs: Counter[tuple[_Key, _Key]] | None = field(default_factory=Counter)

    def add(self, one: pa.Array, other: pa.Array, is_other: Flags, *, is_shown: bool) -> None:
        """The labels of both sides for the same rows. Labels without ``is_shown`` are not kept."""
        self.count += len(is_other)
        self.differ += int(is_other.sum())
        if is_shown and self.pairs is not None:
            both = zip(_keys(one), _keys(other), strict=True)
            self._count(Counter(both))
        else:
            self.pairs = None

    def merge(self, other: LabelTally) -> None:
        """Add what another one has counted."""
        self.count += other.count
        self.differ += other.differ
        if self.pairs is None or other.pairs is None:
            self.pairs = None
        else:
            self._count(other.pairs)

    def to_json(self) -> dict[str, Any]:
        """Everything, to be merged later."""
        pairs = self.pairs
        written = None if pairs is None else [[a, b, n] for (a, b), n in sorted(pairs.items())]
        return {"count": self.count, "differ": self.differ, "pairs": written}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LabelTally:
        """What ``to_json`` wrote."""
        written = found["pairs"]
        pairs = None
        if written is not None:
            pairs = Counter({(tuple(a), tuple(b)): n for a, b, n in written})
        return cls(found["count"], found["differ"], pairs)

    def report(self) -> dict[str, Any]:
        """``counts[i][j]`` rows have ``labels[i]`` of ours and ``labels[j]`` of theirs.

        Both are null where there are too many labels, or where they may not be shown.
        """
        shown: dict[str, Any] = {"count": self.count, "differ": self.differ}
        if self.pairs is None:
            return shown | {"labels": None, "counts": None}
        keys = sorted({key for pair in self.pairs for key in pair})
        counts = [[self.pairs.get((a, b), 0) for b in keys] for a in keys]
        return shown | {"labels": [value for _, value in keys], "counts": counts}

    def _count(self, pairs: Counter[tuple[_Key, _Key]]) -> None:
        assert self.pairs is not None
        self.pairs.update(pairs)
        if len({key for pair in self.pairs for key in pair}) > LABELS_MAX:
            self.pairs = None


def _keys(labels: pa.Array) -> list[_Key]:
    return [(type(value).__name__, short(value)) for value in json_values(labels)]
