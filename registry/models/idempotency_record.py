"""The first answer to an Idempotency-Key, replayed for 24 hours."""

from __future__ import annotations

from django.db import models

from registry.models.base import TimeOrdered


class IdempotencyRecord(TimeOrdered):
    """One key of one principal on one route. ``status`` is null while the first request runs."""

    principal = models.CharField(max_length=64)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["principal", "route", "key"], name="idempotency_key_once"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return f"{self.principal} {self.route} {self.key}"
