"""The chain over the audit trail: what a link covers, and how events and links are read for it.

A link's hash is the SHA-256 of the event's canonical JSON with the hash of the link before it as
the member ``previous``. Canonical: members sorted, no spaces, ASCII with escapes, times in UTC with
six digits, numbers as ``_plain`` writes them. Whoever has an exported line can compute it again.

Plain SQL without models: the sealer lives in the beat process, which keeps 90 MiB less so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

Event = dict[str, Any]
# What stands before the first link.
GENESIS: Final = "0" * 64
# Before every event.
FIRST: Final = str(UUID(int=0))
COLUMNS: Final = (
    *("id", "at", "actor", "actor_id", "key_id", "action", "object_kind", "object_id"),
    *("object_name", "before", "after", "reason", "request_id"),
)
# As text: what somebody has put there instead of a time or a JSON is to be shown all the same.
_EVENT: Final = ", ".join(f'CAST(e."{name}" AS TEXT)' for name in COLUMNS)
_LINK: Final = "s.id, CAST(s.event_id AS TEXT), s.hash, s.previous, CAST(s.sealed_at AS TEXT)"
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Link:
    """One seal. ``place`` counts from 1 without gaps; ``sealed_at`` is RFC 3339."""

    place: int
    event_id: str
    hash: str
    previous: str
    sealed_at: str | None

    def shown(self) -> dict[str, Any]:
        """The seal as answers and exports have it."""
        names = ("place", "hash", "previous", "sealed_at")
        return {name: getattr(self, name) for name in names}


def hash_of(event: Event, previous: str) -> str:
    """The hash of the link that follows ``previous`` and covers the event."""
    whole = json.dumps({**event, "previous": previous}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


def head() -> tuple[int, str]:
    """Place and hash of the last link; 0 and zeros before the first."""
    rows = _rows("SELECT id, hash FROM registry_auditseal ORDER BY id DESC LIMIT 1")
    return (rows[0][0], rows[0][1]) if rows else (0, GENESIS)


def links_after(place: int, limit: int) -> list[tuple[Link, Event | None]]:
    """The next links with their events, in the order of the chain; None for an event not there."""
    rows = _rows(
        f"SELECT {_LINK}, {_EVENT} FROM registry_auditseal s"  # noqa: S608 - columns of ours
        " LEFT JOIN registry_auditevent e ON e.id = s.event_id"
        " WHERE s.id > %s ORDER BY s.id LIMIT %s",
        [place, limit],
    )
    return [(_link(row[:5]), _event(row[5:]) if row[5] is not None else None) for row in rows]


def unsealed_ids(after: str, limit: int) -> list[str]:
    """Ids of events behind this one that no link covers, ascending, as the database holds them."""
    rows = _rows(
        "SELECT e.id FROM registry_auditevent e WHERE e.id > %s AND NOT EXISTS"
        " (SELECT 1 FROM registry_auditseal s WHERE s.event_id = e.id) ORDER BY e.id LIMIT %s",
        [as_stored(after), limit],
    )
    return [str(row[0]) for row in rows]


def events_of(ids: Sequence[str]) -> list[tuple[Event, Link | None]]:
    """The events that are there of these, each with its link, in ascending order of their ids."""
    if not ids:
        return []
    places = ", ".join(["%s"] * len(ids))
    rows = _rows(
        f"SELECT {_LINK}, {_EVENT} FROM registry_auditevent e"  # noqa: S608 - columns of ours
        f" LEFT JOIN registry_auditseal s ON s.event_id = e.id WHERE e.id IN ({places})"
        " ORDER BY e.id",
        [as_stored(one) for one in ids],
    )
    return [(_event(row[5:]), _link(row[:5]) if row[0] is not None else None) for row in rows]


def as_stored(identity: str) -> str:
    """An id as the database's own column holds it."""
    if connection.features.has_native_uuid_field:
        return identity
    try:
        return UUID(identity).hex
    except ValueError:
        return identity


def moment_of(moment: datetime) -> str:
    """An aware time as events hold it."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _rows(statement: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return list(cursor.fetchall())


def _link(row: Sequence[Any]) -> Link:
    place, event_id, hash_, previous, sealed_at = row
    return Link(place, _identity(event_id), hash_, previous, _moment(sealed_at))


def _event(row: Sequence[Any]) -> Event:
    event: Event = dict(zip(COLUMNS, row, strict=True))
    event["id"] = _identity(event["id"])
    event["at"] = _moment(event["at"])
    for side in ("before", "after"):
        event[side] = _json(event[side])
    return event


def _identity(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _moment(text: str | None) -> str | None:
    """RFC 3339 in UTC with six digits; SQLite's text has no offset and is in UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return moment_of(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def _json(text: str | None) -> Any:
    try:
        return None if text is None else _plain(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _plain(value: Any) -> Any:
    """The value with its numbers in the one way that every database gives them back.

    PostgreSQL writes 1e22 as a whole number and SQLite as it came. Whole numbers up to 2**53 are
    integers, all others are doubles.
    """
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if -_EXACT <= value <= _EXACT:
        return int(value) if value == int(value) else value
    return _double(value)


def _double(value: float) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return str(value)
