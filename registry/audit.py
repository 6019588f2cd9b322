"""Writes the audit trail: one event for each action, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.models import AuditEvent
from registry.models.base import TimeOrdered
from registry.principals import Principal

# What changes on its own, without a person: checks, ingestion, schedules.
SYSTEM = "modelyard"


def record(
    by: Principal | None,
    action: str,
    subject: TimeOrdered | str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    request_id: str = "",
) -> AuditEvent:
    """Write that ``by`` (None: the service itself) did ``action``, such as ``alias.move``.

    ``subject`` is the row that it was done to; what is no row is named by a text. ``request_id``
    is for what the service did in a request of nobody: ``by`` has its own.
    """
    return AuditEvent.objects.create(
        actor=by.name if by else SYSTEM,
        actor_id=str(by.user.pk) if by else "",
        key_id=by.api_key.public_id if by and by.api_key else "",
        action=action,
        object_kind="" if isinstance(subject, str) else subject._meta.model_name or "",
        object_id="" if isinstance(subject, str) else str(subject.pk),
        object_name=str(subject)[:200],
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        reason=reason,
        request_id=by.request_id if by else request_id,
    )
