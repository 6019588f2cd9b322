"""What happens once an answer is made: it is mirrored, it is kept as a record. Never waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from prometheus_client import Counter

from serving.actions import mirrors, records
from serving.actions.background import Seldom
from serving.actions.targets import Resolution, Target
from serving.protocols.base import Decoded, Reply
from serving.shares import is_within

log = logging.getLogger(__name__)
_telling = Seldom()
_failed_total = Counter("modelyard_watch_failures", "Answers that could not be watched at all.")


@dataclass(frozen=True, slots=True)
class Scored:
    """A request that was answered: by which version, from what, with what, to whom.

    ``seconds`` is the time from the body to the encoded answer, ``scoring_seconds`` that of scoring
    alone.
    """

    resolution: Resolution
    target: Target
    decoded: Decoded
    reply: Reply
    by: str
    body_bytes: int = 0
    seconds: float = 0.0
    scoring_seconds: float = 0.0


def after_scoring(scored: Scored) -> None:
    """Hand it on to whoever wants it. Takes microseconds and raises nothing."""
    try:
        resolution = scored.resolution
        if is_captured(resolution.capture_percent, scored):
            records.capture(scored)
        if resolution.mirrors:
            mirrors.mirror(scored)
    except Exception:
        _failed_total.inc()
        if _telling.is_due():
            log.exception("An answer could not be watched")


def is_captured(percent: int, scored: Scored) -> bool:
    """Whether this request is of the share that is kept; by its id, so that retries agree."""
    return is_within(percent, scored.reply.request_id, f"capture {scored.target.model}")
