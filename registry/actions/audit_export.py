"""Writes the audit trail as JSON Lines, oldest first, each event with its seal.

A line is the event as it is sealed, with ``seal``: null, or its place in the chain with ``hash``,
``previous`` and ``sealed_at``. Without ``seal``, and with the seal's ``previous`` as a member, it
is what the hash was made of.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from registry import audit, chain
from registry.ids import uuid7
from registry.models import AuditEvent
from registry.models.audit_event import AuditEventQuerySet
from registry.principals import Principal

PAGE = 500
MEDIA_TYPE = "application/jsonl"
FILTERS = ("action", "actor", "object_kind", "object_id", "request_id")


def export(*, by: Principal | None, asked: Mapping[str, Any]) -> Iterator[bytes]:
    """The lines of the events that match, in pieces; leaves an event when there are any to hand.

    ``asked``: what ``AuditEventQuerySet.matching`` takes. The first piece is made before this
    returns, and the memory does not grow with the trail. What happens from now on, this export
    included, is not in it.
    """
    pieces = _pieces(AuditEvent.objects.matching(**asked).filter(pk__lt=uuid7()))
    first = next(pieces, b"")
    told = {name: str(value) for name, value in asked.items()}
    audit.record(by, "audit.export", "audit trail", after=told)
    return itertools.chain((first,), pieces)


def _pieces(rows: AuditEventQuerySet) -> Iterator[bytes]:
    """Page by page behind the last id: no cursor stays open while a slow reader reads."""
    ids = list(_ids(rows)[:PAGE])
    while ids:
        found = chain.events_of([str(one) for one in ids])
        yield b"".join(line(event, link) for event, link in found)
        ids = list(_ids(rows.filter(pk__gt=ids[-1]))[:PAGE])


def _ids(rows: AuditEventQuerySet) -> Any:
    return rows.order_by("pk").values_list("pk", flat=True)


def line(event: chain.Event, link: chain.Link | None) -> bytes:
    """One line, with its end."""
    seal = link and link.shown()
    return json.dumps({**event, "seal": seal}, separators=(",", ":")).encode() + b"\n"
