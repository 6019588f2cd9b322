"""What happens once an answer is made: it is mirrored, it is kept as a record. Never waits."""

from __future__ import annotations

from dataclasses import dataclass

from serving.actions.targets import Resolution, Target
from serving.protocols.base import Decoded, Reply


@dataclass(frozen=True, slots=True)
class Scored:
    """A request that was answered: by which version, from what, with what, to whom."""

    resolution: Resolution
    target: Target
    decoded: Decoded
    reply: Reply
    by: str


def after_scoring(scored: Scored) -> None:
    """Hand it on to whoever wants it. Takes microseconds and raises nothing."""
    del scored
