"""What the tests of the outbox share: telling of something, moving time, reading what arrived."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F

from registry.actions.webhooks import JOB_COMPLETED, announce, create_webhook
from registry.models import RegisteredModel, Webhook, WebhookDelivery
from registry.principals import Principal
from tests.people import Person

SECRET = "a secret of the tests"
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def hook(by: Person, url: str = "http://hooks.example.org/", **values: Any) -> Webhook:
    """A webhook with a secret that the tests know."""
    return create_webhook(by=by.by, target_url=url, secret=SECRET, **values)[0]


def tell(
    model: RegisteredModel,
    event: str = JOB_COMPLETED,
    *,
    occasion: str = "completed:1",
    is_seen_by: Callable[[Principal], bool] | None = None,
) -> int:
    """Something happened to the model, which here stands for a job of it."""
    return announce(
        event,
        model,
        occasion=occasion,
        facts={"job": {"model": model.name}},
        model=model,
        at=AT,
        is_seen_by=is_seen_by or (lambda by: by.may("viewer", model)),
    )


def later(**time: float) -> None:
    """So much time has passed for everything that waits, leases included."""
    passed = timedelta(**time)
    WebhookDelivery.objects.filter(state="waiting").update(
        created_at=F("created_at") - passed,
        next_at=F("next_at") - passed,
        lease_until=F("lease_until") - passed,
    )


def arrived(request: bytes) -> tuple[dict[str, str], bytes]:
    """The headers of a request, by lower-case names, and its body."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


def is_signed(headers: dict[str, str], body: bytes, secret: str = SECRET) -> bool:
    """What a receiver does, written once more on its own."""
    signed = headers["x-modelyard-timestamp"].encode() + b"." + body
    wanted = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, headers["x-modelyard-signature"])


def ids_in(requests: list[bytes]) -> list[str]:
    """The delivery ids, as the headers have them; each is that of the body."""
    found = []
    for request in requests:
        headers, body = arrived(request)
        assert json.loads(body)["id"] == headers["x-modelyard-delivery"]
        found.append(headers["x-modelyard-delivery"])
    return found
