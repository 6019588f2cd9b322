"""Stored bytes of a model: content-addressed, never overwritten."""

from __future__ import annotations

from django.db import models

from registry.models.base import TimeOrdered


class Artifact(TimeOrdered):
    """The bytes behind one or more versions. ``gone_at`` is set when rejected bytes were let go."""

    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    format = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.UniqueConstraint(fields=["sha256", "format"], name="artifact_once_per_digest"),
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"),
                name="artifact_digest_is_sha256",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.format} {self.sha256[:12]}"
