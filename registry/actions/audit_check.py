"""Goes through the audit trail and its chain, and names what does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from registry import append_only, chain
from registry.chain import GENESIS, Event, Link

PAGE = 2_000
# What is younger may still wait for its second.
GRACE: Final = timedelta(minutes=1)

TAMPERED: Final = "altered"
MISSING: Final = "missing"
UNSEALED: Final = "unsealed"
OPEN: Final = "unguarded"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold. ``kind``: altered, missing, unsealed or unguarded."""

    kind: str
    text: str


@dataclass(slots=True)
class Walk:
    """A walk along the chain, from ``place`` and ``hash`` on; afterwards they are of its end.

    The memory that it takes does not grow with the trail.
    """

    place: int = 0
    hash: str = GENESIS

    def findings(self) -> Iterator[Finding]:
        """What does not hold among the links after ``place``."""
        while chain.head()[0] > self.place:
            yield from self.step(PAGE)

    def step(self, limit: int) -> Iterator[Finding]:
        """The same among the next links, at most so many."""
        for link, event in chain.links_after(self.place, limit):
            yield from self._of(link, event)
            self.place, self.hash = link.place, link.hash

    def _of(self, link: Link, event: Event | None) -> Iterator[Finding]:
        if link.place != self.place + 1:
            yield Finding(MISSING, _gap(self.place + 1, link.place - 1))
        elif link.previous != self.hash:
            yield Finding(
                TAMPERED, f"Seal {link.place} does not follow seal {self.place}: one is altered."
            )
        if event is None:
            yield Finding(MISSING, f"Event {link.event_id} is missing; seal {link.place} names it.")
        elif chain.hash_of(event, link.previous) != link.hash:
            yield Finding(
                TAMPERED,
                f"Event {link.event_id} ({event['action']} {event['object_name']} by"
                f" {event['actor']}, {event['at']}) does not fit its seal {link.place}:"
                " one of the two is altered.",
            )


def newest(limit: int) -> Iterator[Finding]:
    """What does not hold among the last links, and at the database now: quick to say."""
    yield from missing_triggers()
    last, _ = chain.head()
    before = chain.links_after(last - limit - 1, 1) if last > limit else []
    walk = Walk(before[0][0].place, before[0][0].hash) if before else Walk()
    yield from walk.step(limit)


def whole_trail(walk: Walk) -> Iterator[Finding]:
    """Everything that does not hold: triggers, links, events, and what nobody has sealed."""
    yield from missing_triggers()
    yield from walk.findings()
    yield from unsealed()


def missing_triggers() -> Iterator[Finding]:
    """What the database would let happen."""
    for one in append_only.missing(connection):
        yield Finding(
            OPEN,
            f"The trigger {one.name} is missing or altered: rows of {one.table} can be changed."
            " `manage.py migrate` sets it again.",
        )


def unsealed(now: datetime | None = None) -> Iterator[Finding]:
    """Events older than a minute that no link covers."""
    before = chain.moment_of((now or datetime.now(UTC)) - GRACE)
    after = chain.FIRST
    while ids := chain.unsealed_ids(after, PAGE):
        for event, link in chain.events_of(ids):
            if link is None and (event["at"] or "") < before:
                yield Finding(
                    UNSEALED,
                    f"Event {event['id']} ({event['action']} {event['object_name']},"
                    f" {event['at']}) has no seal.",
                )
        if len(ids) < PAGE:
            return
        after = ids[-1]


def holds_at(place: int, hash_: str) -> Finding | None:
    """What is wrong with a place of the chain that somebody has noted down; None if nothing."""
    rows = chain.links_after(place - 1, 1)
    if not rows or rows[0][0].place != place:
        return Finding(MISSING, f"Seal {place}, noted as {hash_[:12]}…, is missing.")
    if rows[0][0].hash != hash_:
        return Finding(
            TAMPERED,
            f"Seal {place} is {rows[0][0].hash[:12]}… and was noted as {hash_[:12]}…: the chain"
            " was written anew.",
        )
    return None


def _gap(first: int, last: int) -> str:
    if first == last:
        return f"Seal {first} is missing."
    return f"Seals {first} to {last} are missing."
