"""Where news is posted to: an address, the events that it wants, and the secret that signs them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from registry.models.base import TimeOrdered
from registry.models.registered_model import RegisteredModel


class Webhook(TimeOrdered):
    """``events`` are names; ``model`` null means all that its owner sees.

    ``sealed_secret`` is the signing key as ``registry.sealing`` seals it. ``failures`` counts the
    deliveries given up since the last one that went through; ``disabled_reason`` says why it was
    switched off, where nobody did it by hand.
    """

    url = models.TextField()
    sealed_secret = models.TextField()
    events = models.JSONField(default=list)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="webhooks")
    model = models.ForeignKey(
        RegisteredModel, models.CASCADE, null=True, blank=True, related_name="webhooks"
    )
    enabled = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0)
    disabled_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"webhook {self.pk}"
