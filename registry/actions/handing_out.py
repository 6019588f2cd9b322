"""Writes down who took data, captured requests or a model file along: one event for each time."""

from __future__ import annotations

from django.db import transaction

from registry import audit
from registry.models import AuditEvent
from registry.models.base import TimeOrdered
from registry.principals import Principal


@transaction.atomic
def note_download(
    *, by: Principal, action: str, subject: TimeOrdered, what: dict[str, object]
) -> AuditEvent:
    """Say that ``by`` was handed ``subject``; ``what`` of it, and in which format.

    Call it when the first bytes are there to be sent: what could not be read was not handed out.
    """
    return audit.record(by, action, subject, after=what)
