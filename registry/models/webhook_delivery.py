"""The outbox: one event for one webhook, written with the change that it tells of."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models.base import TimeOrdered, one_of
from registry.models.webhook import Webhook


class DeliveryState(models.TextChoices):
    """Waiting until ``next_at``; the other two are ends."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given-up"


class WebhookDelivery(TimeOrdered):
    """``body`` is the exact text that is signed and sent, the same at each try.

    ``subject_id`` and ``occasion`` say what happened to what, so that telling of it twice makes
    one row. ``lease_until`` is set while somebody sends it; ``status_code`` and ``reason`` are of
    the last try, null and empty before it. All times are the database's.
    """

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    occasion = models.CharField(max_length=64)
    body = models.TextField()
    state = models.CharField(
        max_length=8, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta(TimeOrdered.Meta):
        constraints = [
            one_of("state", DeliveryState.values, "delivery_state_known"),
            models.UniqueConstraint(
                fields=["webhook", "event", "subject_id", "occasion"],
                name="delivery_once_per_occasion",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="delivery_sent_has_time",
            ),
        ]
        indexes = [models.Index(fields=["state", "next_at"], name="delivery_by_due")]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}: {self.state}"
