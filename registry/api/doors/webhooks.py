"""Doors: webhooks, their deliveries, and trying one."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions import webhooks
from registry.actions.webhooks import EVENTS, TEST, visible_webhooks
from registry.api.bodies.webhooks import (
    DeliveryOut,
    NewWebhookOut,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
    visible_deliveries,
)
from registry.api.describe import describe
from registry.api.idempotency import Answer, once
from registry.api.parameters import EXPAND, PAGING, Parameter, ordered, ordering
from registry.api.resource import Resource, no_content
from registry.errors import WebhookNotFound
from registry.models import RegisteredModel, Webhook
from registry.models.webhook_delivery import DeliveryState
from registry.principals import get_visible

_ORDERS = ("created_at",)
_MODEL = Parameter("model", "Only webhooks of this model.")
_ENABLED = Parameter("enabled", "Only enabled ones, or only others.", "boolean")
_STATE = Parameter("state", "Only this state.", choices=tuple(DeliveryState.values))
_EVENT = Parameter("event", "Only this event.", choices=(*EVENTS, TEST))


class Webhooks(Resource):
    """``/webhooks``"""

    @describe(
        "webhooks_list",
        "Your webhooks; for a manager, all webhooks",
        answers={200: WebhookOut},
        is_list=True,
        query=(*PAGING, ordering(*_ORDERS), EXPAND, _MODEL, _ENABLED),
    )
    def get(self, request: Request) -> Response:
        """One page of webhooks, newest first."""
        rows = visible_webhooks(self.by)
        if "model" in self.query:
            rows = rows.filter(model__in=RegisteredModel.objects.named(self.query["model"]))
        if "enabled" in self.query:
            rows = rows.filter(enabled=self.query["enabled"])
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "webhook")

    @describe(
        "webhooks_create",
        "Be told when batch jobs end",
        body=WebhookIn,
        answers={201: NewWebhookOut},
        is_creating=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Make a webhook. A secret that is made is in this answer and nowhere else."""
        values = WebhookIn.read(request.data)

        def work() -> Answer:
            row, text = webhooks.create_webhook(by=self.by, **values)
            return _with_secret(self, row, 201, None if "secret" in values else text)

        return once(request, request.data, work)


class _OneWebhook(Resource):
    def webhook(self, id: str) -> Webhook:
        """The webhook of the path. Raises WebhookNotFound."""
        try:
            key = uuid.UUID(id)
        except ValueError:
            raise WebhookNotFound("There is no webhook with this id.") from None
        return get_visible(visible_webhooks(self.by), WebhookNotFound, "webhook", pk=key)


class WebhookDoor(_OneWebhook):
    """``/webhooks/{id}``"""

    @describe("webhooks_get", "One webhook", answers={200: WebhookOut}, query=(EXPAND,))
    def get(self, request: Request, id: str) -> Response:
        """The webhook without its secret."""
        return self.one(self.webhook(id), "webhook")

    @describe("webhooks_update", "Change a webhook", body=WebhookPatch, answers={200: WebhookOut})
    def patch(self, request: Request, id: str) -> Response:
        """Change what may change; what is not sent stays."""
        row, values = self.webhook(id), WebhookPatch.read(request.data)
        return self.one(webhooks.update_webhook(by=self.by, webhook=row, **values), "webhook")

    @describe("webhooks_delete", "Take a webhook away", answers={204: None})
    def delete(self, request: Request, id: str) -> HttpResponse:
        """Its deliveries go with it, also those that wait."""
        webhooks.delete_webhook(by=self.by, webhook=self.webhook(id))
        return no_content()


class RotateWebhook(_OneWebhook):
    """``/webhooks/{id}/rotate``"""

    @describe(
        "webhooks_rotate",
        "Sign with a new secret from now on",
        answers={200: NewWebhookOut},
        is_creating=True,
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """The new secret is in this answer and nowhere else."""
        row = self.webhook(id)

        def work() -> Answer:
            webhook, text = webhooks.rotate_secret(by=self.by, webhook=row)
            return _with_secret(self, webhook, 200, text)

        return once(request, {}, work)


class TestWebhook(_OneWebhook):
    """``/webhooks/{id}/test``"""

    # pytest would take it for a test wherever it is imported.
    __test__ = False

    @describe("webhooks_test", "Send a test", answers={202: DeliveryOut}, is_creating=True)
    def post(self, request: Request, id: str) -> HttpResponse:
        """Put a delivery that says only that it is a test into the outbox; it is tried once."""
        row = self.webhook(id)

        def work() -> Answer:
            shown = self.shown(webhooks.test_webhook(by=self.by, webhook=row), "delivery")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, {}, work)


class Deliveries(_OneWebhook):
    """``/webhooks/{id}/deliveries``"""

    @describe(
        "webhooks_deliveries",
        "What a webhook was sent, and what waits",
        answers={200: DeliveryOut},
        is_list=True,
        query=(*PAGING, EXPAND, _STATE, _EVENT),
    )
    def get(self, request: Request, id: str) -> Response:
        """One page of deliveries, newest first."""
        rows = visible_deliveries(self.by).filter(webhook=self.webhook(id))
        for name in ("state", "event"):
            if name in self.query:
                rows = rows.filter(**{name: self.query[name]})
        return self.page(rows.order_by("-id"), "delivery")


def _with_secret(door: Resource, row: Webhook, status: int, secret: str | None) -> Answer:
    shown = door.shown(row, "webhook")
    headers = {"Location": shown["url"]} if status == 201 else {}
    body = shown | {"secret": None}
    return Answer(status, body, headers, secret={} if secret is None else {"secret": secret})
