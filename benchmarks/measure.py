"""Two sides timed in turn, A B A B, and what came of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Ratio:
    """``ours_s`` and ``peer_s`` are medians in seconds for one call; ``ratio`` is peer / ours.

    Above 1 we are faster than the peer. ``per_round`` are the ratios of the rounds, in order.
    """

    name: str
    peer: str
    ours_s: float
    peer_s: float
    ratio: float
    per_round: tuple[float, ...]

    def line(self) -> str:
        """One row of the table."""
        return (
            f"{self.name:<44} {self.ours_s * 1e3:>10.3f} ms   {self.peer:<36} "
            f"{self.peer_s * 1e3:>10.3f} ms   {self.ratio:>6.2f} x"
        )

    def to_json(self) -> dict[str, Any]:
        """For the file of results."""
        return asdict(self)


def in_turn(
    name: str,
    ours: Callable[[], object],
    peer_name: str,
    peer: Callable[[], object],
    *,
    calls: int,
) -> Ratio:
    """Time ``calls`` calls of each side in each of five rounds, after one that does not count."""
    ours(), peer()
    pairs = [(_timed(ours, calls), _timed(peer, calls)) for _ in range(ROUNDS)]
    ratios = tuple(round(theirs / mine, 3) for mine, theirs in pairs)
    return Ratio(
        name=name,
        peer=peer_name,
        ours_s=statistics.median(mine for mine, _ in pairs),
        peer_s=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(ratios),
        per_round=ratios,
    )


def _timed(call: Callable[[], object], calls: int) -> float:
    began_s = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began_s) / calls
