"""Webhooks and their deliveries as JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from registry.actions.webhooks import EVENTS, visible_webhooks
from registry.api.bodies import models  # noqa: F401  (its kind comes first)
from registry.api.kinds import Kind, add_kind, to_many, to_one
from registry.api.shapes import Flag, In, NameOrRow, Out, Text, Texts
from registry.errors import InvalidField
from registry.models import Webhook, WebhookDelivery
from registry.models.webhook_delivery import DeliveryState
from registry.principals import Principal

_TARGET = "An http or https URL on a host that the site lists in `OUTGOING_HOSTS`."
_EVENTS = f"Some of {', '.join(EVENTS)}; all when left out."


class WebhookPatch(In):
    """What may change on a webhook."""

    target_url = Text(required=False, help_text=_TARGET)
    events = Texts(required=False, help_text=_EVENTS)
    enabled = Flag(required=False)


class WebhookIn(WebhookPatch):
    """Where to tell what happens. ``url`` may stand for ``target_url``, as elsewhere.

    Without ``model`` it is told of all models that you see, without ``secret`` one is made.
    """

    url = Text(required=False, help_text="The same as `target_url`.")
    model = Text(required=False, allow_null=True, help_text="Only what is about this model.")
    secret = Text(required=False, help_text="What signs; 16 to 200 printable ASCII characters.")

    @classmethod
    def read(cls, body: object) -> dict[str, Any]:
        """The fields, with the address as ``target_url``."""
        values = super().read(body)
        if "url" in values:
            if "target_url" in values:
                raise InvalidField("Either “url” or “target_url”.", pointer="/url")
            values["target_url"] = values.pop("url")
        if "target_url" not in values:
            raise InvalidField("The field is missing.", pointer="/target_url")
        return values


class WebhookOut(Out):
    """A webhook. ``url`` is its own, ``target_url`` where it is sent to; its secret is never shown.

    ``failures`` counts the deliveries given up since the last one that arrived;
    ``disabled_reason`` says why it was switched off, where nobody did it by hand.
    """

    kind_key = "webhook"

    id = serializers.UUIDField()
    target_url = serializers.CharField(source="url")
    events = serializers.ListField(child=serializers.CharField())
    model = NameOrRow(source="model.name", default=None)
    owner = serializers.CharField(source="owner.username")
    enabled = serializers.BooleanField()
    failures = serializers.IntegerField()
    disabled_reason = serializers.CharField()
    created_at = serializers.DateTimeField()

    def path_of(self, row: Webhook) -> str:
        """The path of the webhook."""
        return f"/webhooks/{row.pk}"

    def neighbours(self, row: Webhook) -> dict[str, str | None]:
        """What it is about, and what can be done with it."""
        path = self.path_of(row)
        return {
            "model": f"/models/{row.model.name}" if row.model else None,
            "deliveries": f"{path}/deliveries",
            "test": f"{path}/test",
            "rotate": f"{path}/rotate",
        }


class NewWebhookOut(WebhookOut):
    """A webhook with its new secret; null when you gave one, and when the answer is replayed."""

    secret = serializers.CharField(allow_null=True)


class DeliveryOut(Out):
    """One event for one webhook. ``body`` is the text that is signed and sent at each try.

    ``status_code`` and ``reason`` are of the last try; ``next_at`` is null once it has ended.
    """

    kind_key = "delivery"

    id = serializers.UUIDField()
    webhook = serializers.CharField(source="webhook_id")
    event = serializers.CharField()
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    attempts = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    body = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_at = serializers.SerializerMethodField()
    sent_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: WebhookDelivery) -> str:
        """The path of the list that it stands in."""
        return f"/webhooks/{row.webhook_id}/deliveries"

    def neighbours(self, row: WebhookDelivery) -> dict[str, str | None]:
        """Its webhook."""
        return {"webhook": f"/webhooks/{row.webhook_id}"}

    def get_next_at(self, row: WebhookDelivery) -> str | None:
        """When it is tried next."""
        if row.state != DeliveryState.WAITING:
            return None
        return row.next_at.isoformat().replace("+00:00", "Z")


def visible_deliveries(by: Principal) -> QuerySet[WebhookDelivery]:
    """The deliveries of visible webhooks."""
    return WebhookDelivery.objects.filter(webhook__in=visible_webhooks(by).order_by())


add_kind(
    Kind(
        "webhook",
        WebhookOut,
        visible_webhooks,
        {"model": to_one("model", "model"), "deliveries": to_many("delivery", "webhook")},
    )
)
add_kind(
    Kind("delivery", DeliveryOut, visible_deliveries, {"webhook": to_one("webhook", "webhook")})
)
