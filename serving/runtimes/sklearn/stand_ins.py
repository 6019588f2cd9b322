"""What takes the place of globals that are never restored from a file as they are.

Distributions of scipy.stats run text out of their state when they are restored; nothing that
predicts needs them, so an inert object keeps what the file says of them. Parts of pandas are made
anew, from plain values that were checked (see ``table_parts``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from serving.runtimes.sklearn.table_parts import TABLE_PARTS


class NotAllowed(Exception):
    """A global that is not built here; ``str()`` is its full name."""


class StandIn:
    """Stands for an object of ``stands_for``, keeps the state that the file gives, runs nothing."""

    __slots__ = ("state",)
    stands_for = ""

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<stands for {self.stands_for}, which is not opened>"


@cache
def stand_in(full: str) -> type[StandIn]:
    """The class that takes the place of the class ``full``."""
    name = full.rpartition(".")[2]
    return type(name, (StandIn,), {"__slots__": (), "stands_for": full})


def method_of(*args: Any) -> StandIn:
    """In the place of ``getattr``: a stand-in for a stand-in's method, or NotAllowed."""
    if len(args) != 2 or not isinstance(args[0], StandIn) or args[1] != "_entropy":
        raise NotAllowed("builtins.getattr")
    return stand_in(f"{args[0].stands_for}.{args[1]}")()


OURS: dict[str, Any] = {**TABLE_PARTS, "builtins.getattr": method_of}
