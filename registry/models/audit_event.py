"""Who did what, when, to what: append-only; written in the transaction of the change."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from registry.models.base import TimeOrdered


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Questions to the audit trail."""

    def matching(
        self,
        *,
        search: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        **exact: str,
    ) -> AuditEventQuerySet:
        """Those that hold ``search`` in name or reason, from ``since`` to before ``until``.

        ``exact``: columns and the text that each holds.
        """
        rows = self.filter(**exact)
        if search:
            rows = rows.filter(Q(object_name__icontains=search) | Q(reason__icontains=search))
        if since is not None:
            rows = rows.filter(at__gte=since)
        if until is not None:
            rows = rows.filter(at__lt=until)
        return rows


class AuditEvent(TimeOrdered):
    """One event. Actor and object are text, so that the event outlives both.

    ``before`` and ``after`` hold the changed fields only; null where there is no such side.
    """

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=200)
    actor_id = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=8, blank=True)
    action = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=128, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        indexes = [
            models.Index(fields=["object_kind", "object_id", "-id"], name="audit_by_object"),
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_name}"
