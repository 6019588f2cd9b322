"""The grammar of hostile files: payload x wrapper x damage x container x name, and bombs.

``drawn(seed, index)`` gives the same file for the same pair, whatever was drawn before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.hostile.bombs import BOMBS
from tests.hostile.calls import Payload, payload
from tests.hostile.containers import SUFFIXES, damaged, packed
from tests.hostile.misuses import misuse
from tests.hostile.wrappers import WRAPPERS


@dataclass(frozen=True)
class HostileFile:
    """One file; ``recipe`` says in words how it was made."""

    seed: int
    index: int
    filename: str
    content: bytes
    recipe: str

    def __str__(self) -> str:
        return f"seed {self.seed}, file {self.index}: {self.recipe}"


def drawn(seed: int, index: int) -> HostileFile:
    """The file of that number."""
    chance = random.Random(f"{seed}/{index}")
    filename = f"model{chance.choice(SUFFIXES)}"
    if chance.random() < 0.25:
        name = chance.choice(tuple(BOMBS))
        return HostileFile(seed, index, filename, BOMBS[name](chance), name)
    found = _payload(chance)
    wrapper = chance.choice(tuple(WRAPPERS))
    stream, damage = damaged(WRAPPERS[wrapper](found.content, chance), chance)
    content, container = packed(stream, chance)
    recipe = f"{found.recipe}; {wrapper}; damage: {damage}; container: {container}"
    return HostileFile(seed, index, filename, content, recipe)


def _payload(chance: random.Random) -> Payload:
    return misuse(chance) if chance.random() < 0.35 else payload(chance)


def files(seed: int, count: int) -> Iterator[HostileFile]:
    """The first ``count`` files of a seed."""
    return (drawn(seed, index) for index in range(count))
