"""Goes through the chain again and again, a little each second, and keeps what it has found.

A million links at once would take a minute of a core; so they take half an hour of a few hundredths
of one. What was found lies in the cache: pages show it, and without a cache it is not known.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from django.core.cache import cache
from redis.exceptions import RedisError

from registry import chain
from registry.actions import audit_check
from registry.actions.audit_check import Walk

log = logging.getLogger(__name__)

STEP = 500
# From the beginning of one round to that of the next, unless it takes longer.
EVERY_S = 3600.0
SHOWN = 5
_KEY: Final = "audit-chain"


@dataclass(frozen=True, slots=True)
class Checked:
    """The last whole round: when it ended, where the chain did, what does not hold.

    ``findings`` are the first few of ``count``.
    """

    at: str
    place: int
    hash: str
    count: int
    findings: list[str]

    @property
    def moment(self) -> datetime:
        """When it ended."""
        return datetime.fromisoformat(self.at)


class Rounds:
    """The round in hand. ``step`` is called every second by whoever seals."""

    def __init__(self) -> None:
        self._walk: Walk | None = None
        self._next_s = 0.0
        self._count = 0
        self._findings: list[str] = []

    def step(self) -> None:
        """Look at a few more links; at the end of a round keep what was found."""
        if self._walk is None:
            if time.monotonic() < self._next_s:
                return
            self._next_s = time.monotonic() + EVERY_S
            self._walk, self._count, self._findings = Walk(), 0, []
        self._note(self._walk.step(STEP))
        if self._walk.place >= chain.head()[0]:
            self._end(self._walk)

    def _end(self, walk: Walk) -> None:
        self._walk = None
        before = last_checked()
        if before is not None and before.place:
            # Whoever took the end of the chain away, or wrote it anew, left what was noted here.
            told = audit_check.holds_at(before.place, before.hash)
            self._note([told] if told is not None else [])
        self._note(audit_check.missing_triggers())
        self._note(audit_check.unsealed())
        if self._count:
            log.error(
                "The audit trail is not whole, see `manage.py verify_audit`: %d findings; %s",
                self._count,
                " ".join(self._findings),
            )
        at = datetime.now(UTC).isoformat()
        _keep(Checked(at, walk.place, walk.hash, self._count, self._findings))

    def _note(self, findings: Any) -> None:
        for finding in findings:
            self._count += 1
            if len(self._findings) < SHOWN:
                self._findings.append(finding.text)


def last_checked() -> Checked | None:
    """The last whole round; None where there was none, or the cache is away."""
    try:
        kept = cache.get(_KEY)
    except (OSError, RedisError):
        return None
    return Checked(**cast("dict[str, Any]", kept)) if kept else None


def _keep(checked: Checked) -> None:
    try:
        cache.set(_KEY, asdict(checked), timeout=None)
    except (OSError, RedisError) as error:
        log.warning("The cache is away, pages do not show the state of the chain: %s", error)
