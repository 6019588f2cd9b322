"""Plain: which share of a whole a key falls into: stable, and the same in every process.

Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash tables"): each
name draws a number u in (0, 1) from the key, and the least -ln(u) / weight wins. Keys then move
only from names that lose weight to names that gain it, whatever the order they are written in,
and where a name falls out only its own keys move.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log

# The step between neighbouring drawn numbers; 53 bits of the digest are used.
_STEP = 2.0**-53


class Shares:
    """Names with weights. ``salt`` keeps two wholes apart: a key's luck in one says nothing
    of its luck in the other.
    """

    def __init__(self, salt: str, names: Sequence[str], weights: Sequence[int]) -> None:
        self._drawn = [
            (index, weight, blake2b(f"{salt}\0{name}\0".encode(), digest_size=8))
            for index, (name, weight) in enumerate(zip(names, weights, strict=True))
            if weight
        ]

    def pick(self, key: str) -> int:
        """The index of the name that the key falls to. A weight of 0 gets no key."""
        text = key.encode("utf-8", "surrogatepass")
        best, least = 0, float("inf")
        for index, weight, begun in self._drawn:
            hashed = begun.copy()
            hashed.update(text)
            cost = -log(_fraction(hashed.digest())) / weight
            if cost < least:
                best, least = index, cost
        return best


def is_within(percent: int, key: str, salt: str) -> bool:
    """Whether a key belongs to this share of a hundred; of a larger share it is a part too."""
    if percent in (0, 100):
        return percent == 100
    text = f"{salt}\0{key}".encode("utf-8", "surrogatepass")
    return _fraction(blake2b(text, digest_size=8).digest()) * 100 < percent


def _fraction(digest: bytes) -> float:
    """A number in (0, 1), both ends left out."""
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) * _STEP
