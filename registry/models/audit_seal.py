"""The chain over the audit trail: one link for each event, written by the sealer alone."""

from __future__ import annotations

from django.db import models


class AuditSeal(models.Model):
    """One link, append-only. ``hash`` covers the event and ``previous``, the link before it.

    ``id`` is the place in the chain. The event is named by its id, without a foreign key: an event
    that was taken away must leave its seal behind. The first link's ``previous`` is all zeros.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    hash = models.CharField(max_length=64, unique=True)
    # Unique: two sealers at once cannot make the chain fork.
    previous = models.CharField(max_length=64, unique=True)
    sealed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.id}: {self.hash[:12]}"
