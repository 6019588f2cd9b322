"""Sends what waits in the outbox: at least once, with the same delivery id, for a day.

How a delivery moves:

    waiting   claimed: one more attempt, a lease; whoever dies leaves it to the next sender
      2xx     sent
      else    waits longer each time, and with it what else waits for this webhook, so that a
              receiver that is away costs one call at a time
      a day   given up; after so many in a row the webhook is switched off

One webhook is sent to by one sender at a time: a slow receiver keeps no more than one waiting.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from registry import audit
from registry.actions.webhooks import TEST
from registry.conf import conf
from registry.models import Webhook, WebhookDelivery
from registry.models.webhook_delivery import DeliveryState
from registry.outgoing.errors import OutgoingError
from registry.outgoing.post import post
from registry.outgoing.signature import sign
from registry.sealing import SealBroken, unseal

log = logging.getLogger(__name__)

BUDGET_S = 20.0
TIMEOUT_S = 5.0
# Above the time of one call.
LEASE = timedelta(seconds=20)
WAITS_S = (10, 30, 60, 300, 600, 1_800)
LONGEST_WAIT_S = 3_600
GIVEN_UP_AFTER = timedelta(days=1)
# So many given up in a row, each after a day, and nobody is there any more.
GIVEN_UP_MAX = 10
KEPT = timedelta(days=30)
_AT_ONCE = 20
_SWEPT_AT_ONCE = 1_000


def send_due(*, budget_s: float = BUDGET_S) -> int:
    """Try what is due until nothing is or the time is used; how many tries there were."""
    ends_at = time.monotonic() + budget_s
    _give_up_old()
    tries = 0
    while time.monotonic() < ends_at:
        delivery = _claim()
        if delivery is None:
            break
        _try(delivery)
        tries += 1
    return tries


def is_any_due() -> bool:
    """Whether a sender would find anything to do."""
    return _due().exists() or _too_old().exists()


def sweep_deliveries() -> int:
    """Remove what ended a month ago; how many there were."""
    ended = WebhookDelivery.objects.exclude(state=DeliveryState.WAITING)
    old = ended.filter(created_at__lt=Now() - KEPT).order_by("id").values_list("pk", flat=True)
    return WebhookDelivery.objects.filter(pk__in=list(old[:_SWEPT_AT_ONCE])).delete()[0]


def wait_after(attempts: int) -> timedelta:
    """How long to wait after the nth try; n from 1."""
    wait_s = WAITS_S[attempts - 1] if attempts <= len(WAITS_S) else LONGEST_WAIT_S
    return timedelta(seconds=wait_s)


def _waiting() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(state=DeliveryState.WAITING)


def _unleased() -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


def _due() -> QuerySet[WebhookDelivery]:
    """What may be sent now, oldest first.

    Nothing of a webhook that somebody sends to, or whose owner may not enter any more.
    """
    busy = _waiting().filter(webhook=OuterRef("webhook"), lease_until__gte=Now())
    return (
        _waiting()
        .filter(~Exists(busy), Q(webhook__enabled=True) | Q(event=TEST), next_at__lte=Now())
        .filter(webhook__owner__is_active=True)
        .order_by("next_at", "id")
    )


def _too_old() -> QuerySet[WebhookDelivery]:
    return _waiting().filter(_unleased(), created_at__lt=Now() - GIVEN_UP_AFTER)


def _claim() -> WebhookDelivery | None:
    """One delivery, with the time of its claim as ``now``; None where nothing is due."""
    for pk, attempts in list(_due().values_list("pk", "attempts")[:_AT_ONCE]):
        mine = _waiting().filter(pk=pk, attempts=attempts)
        if mine.update(attempts=F("attempts") + 1, lease_until=Now() + LEASE):
            rows = WebhookDelivery.objects.select_related("webhook").annotate(now=Now())
            return rows.filter(pk=pk).first()
    return None


def _try(delivery: WebhookDelivery) -> None:
    status, reason = _post(delivery)
    if status is not None and 200 <= status < 300:
        _note_sent(delivery, status)
    else:
        log.info("Delivery %s, try %s: %s", delivery.pk, delivery.attempts, reason)
        _note_failed(delivery, status, reason)


def _post(delivery: WebhookDelivery) -> tuple[int | None, str]:
    """The status of the answer, or why there is none."""
    body = delivery.body.encode()
    timestamp = int(delivery.now.timestamp())  # type: ignore[attr-defined]  # set by _claim
    try:
        secret = unseal(delivery.webhook.sealed_secret)
        headers = {
            "Content-Type": "application/json",
            "X-Modelyard-Event": delivery.event,
            "X-Modelyard-Delivery": str(delivery.pk),
            "X-Modelyard-Timestamp": str(timestamp),
            "X-Modelyard-Signature": sign(secret, timestamp, body),
        }
        url, allowed = delivery.webhook.url, conf.outgoing_hosts
        status = post(url, body, headers, allowed=allowed, timeout_s=TIMEOUT_S)
    except (OutgoingError, SealBroken) as error:
        return None, str(error)
    follows = "; redirects are not followed" if 300 <= status < 400 else ""
    return status, f"The receiver answered {status}{follows}."


@transaction.atomic
def _note_sent(delivery: WebhookDelivery, status: int) -> None:
    _held(delivery).update(
        state=DeliveryState.SENT, sent_at=Now(), status_code=status, reason="", lease_until=None
    )
    Webhook.objects.filter(pk=delivery.webhook_id, failures__gt=0).update(failures=0)


@transaction.atomic
def _note_failed(delivery: WebhookDelivery, status: int | None, reason: str) -> None:
    """Wait, unless the next try would come too late; a test is not tried again."""
    wait = wait_after(delivery.attempts)
    now = delivery.now  # type: ignore[attr-defined]  # set by _claim
    is_last = delivery.event == TEST or delivery.created_at + GIVEN_UP_AFTER < now + wait
    if is_last:
        _give_up(delivery, status, reason)
        return
    again = Now() + wait
    held = _held(delivery)
    if held.update(next_at=again, lease_until=None, status_code=status, reason=reason):
        others = _waiting().filter(_unleased(), webhook=delivery.webhook_id, next_at__lt=again)
        others.exclude(event=TEST).update(next_at=again)


def _give_up_old() -> None:
    for delivery in _too_old().select_related("webhook")[:_SWEPT_AT_ONCE]:
        reason = delivery.reason or "It waited for a day and was not sent."
        _give_up(delivery, delivery.status_code, reason)


@transaction.atomic
def _give_up(delivery: WebhookDelivery, status: int | None, reason: str) -> None:
    """No further try; and none to this receiver, when it was the last of too many."""
    ended = {"state": DeliveryState.GIVEN_UP, "lease_until": None}
    if not _held(delivery).update(**ended, status_code=status, reason=reason):
        return
    live = Webhook.objects.filter(pk=delivery.webhook_id, enabled=True)
    if delivery.event == TEST or not live.update(failures=F("failures") + 1):
        return
    words = f"{GIVEN_UP_MAX} deliveries in a row were given up; the last one: {reason}"
    if live.filter(failures__gte=GIVEN_UP_MAX).update(enabled=False, disabled_reason=words):
        audit.record(
            None,
            "webhook.disable",
            delivery.webhook,
            before={"enabled": True},
            after={"enabled": False},
            reason=words,
        )


def _held(delivery: WebhookDelivery) -> QuerySet[WebhookDelivery]:
    """The row, as long as nobody else has claimed it since: ``attempts`` is the fence."""
    return _waiting().filter(pk=delivery.pk, attempts=delivery.attempts)
