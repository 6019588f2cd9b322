"""Webhooks as people handle them, and telling them that something happened.

Who may what: whoever has the role scorer (on the model, or anywhere for a webhook without one)
makes webhooks of their own. A webhook is seen and changed by its owner, and by a manager of
everything. It is told only of what its owner may see at that moment.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry import audit, roles
from registry.actions.access import roles_held
from registry.conf import conf
from registry.errors import InvalidField, NotAllowed, StateConflict, WebhookNotFound
from registry.ids import uuid7
from registry.models import RegisteredModel, User, Webhook, WebhookDelivery
from registry.models.base import TimeOrdered
from registry.outgoing.errors import OutgoingRefused
from registry.outgoing.listed import Listed
from registry.outgoing.places import read_url, require_listed
from registry.principals import Principal, find_model, get_visible, require
from registry.queue import SEND_WEBHOOKS, enqueue
from registry.sealing import seal

JOB_COMPLETED = "batch-job.completed"
JOB_FAILED = "batch-job.failed"
JOB_CANCELLED = "batch-job.cancelled"
APPROVAL_REQUESTED = "approval.requested"
APPROVAL_APPROVED = "approval.approved"
APPROVAL_REJECTED = "approval.rejected"
ALIAS_MOVED = "alias.moved"
EVENTS = (
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    APPROVAL_REQUESTED,
    APPROVAL_APPROVED,
    APPROVAL_REJECTED,
    ALIAS_MOVED,
)
# Asked for by hand; every webhook takes it.
TEST = "webhook.test"
WEBHOOKS_MAX = 50
_SECRET_CHARS = (16, 200)

Sees = Callable[[Principal], bool]


@transaction.atomic
def create_webhook(
    *,
    by: Principal,
    target_url: str,
    events: Sequence[str] | None = None,
    model: str | None = None,
    secret: str | None = None,
    enabled: bool = True,
) -> tuple[Webhook, str]:
    """Make a webhook; returns it with the key that signs what it is sent, which is never shown
    again.

    ``events`` None means all, ``model`` None all models that the owner sees, ``secret`` None a
    new one. Raises InvalidField, ModelNotFound, NotAllowed, StateConflict.
    """
    about = None if model is None else find_model(by, model)
    _require_scorer(by, about)
    _check_target(target_url)
    # Those who come together are counted one after the other.
    User.objects.select_for_update(no_key=True).get(pk=by.user.pk)
    if Webhook.objects.filter(owner=by.user).count() >= WEBHOOKS_MAX:
        raise StateConflict(f"You have {WEBHOOKS_MAX} webhooks: take one away first.")
    text = new_secret() if secret is None else _checked_secret(secret)
    webhook = Webhook.objects.create(
        url=target_url,
        sealed_secret=seal(text),
        events=_checked_events(events),
        owner=by.user,
        model=about,
        enabled=enabled,
    )
    audit.record(by, "webhook.create", webhook, after=_summary(webhook))
    return webhook, text


@transaction.atomic
def update_webhook(
    *,
    by: Principal,
    webhook: Webhook,
    target_url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> Webhook:
    """Change what is given. Switching it on forgets why it was switched off."""
    webhook = _held(by, webhook)
    before = _summary(webhook)
    if target_url is not None:
        _check_target(target_url)
        webhook.url = target_url
    if events is not None:
        webhook.events = _checked_events(events)
    if enabled is not None:
        if enabled and not webhook.enabled:
            webhook.failures, webhook.disabled_reason = 0, ""
        webhook.enabled = enabled
    webhook.save()
    if (after := _summary(webhook)) != before:
        audit.record(by, "webhook.update", webhook, before=before, after=after)
    return webhook


@transaction.atomic
def rotate_secret(*, by: Principal, webhook: Webhook) -> tuple[Webhook, str]:
    """Sign with a new key from now on, what waits included; returns it, once."""
    webhook = _held(by, webhook)
    text = new_secret()
    webhook.sealed_secret = seal(text)
    webhook.save(update_fields=["sealed_secret"])
    audit.record(by, "webhook.rotate", webhook)
    return webhook, text


@transaction.atomic
def delete_webhook(*, by: Principal, webhook: Webhook) -> None:
    """Take it away, with what it was sent and what still waits."""
    webhook = _held(by, webhook)
    audit.record(by, "webhook.delete", webhook, before=_summary(webhook))
    webhook.delete()


@transaction.atomic
def test_webhook(*, by: Principal, webhook: Webhook) -> WebhookDelivery:
    """Put a delivery into the outbox that says only that it is a test; it is tried once."""
    webhook = _held(by, webhook)
    row = _delivery(webhook, TEST, webhook, uuid7().hex, {}, timezone.now())
    row.save()
    audit.record(by, "webhook.test", webhook)
    enqueue(SEND_WEBHOOKS)
    return row


# pytest would take it for a test wherever it is imported.
test_webhook.__test__ = False  # type: ignore[attr-defined]


def announce(
    event: str,
    subject: TimeOrdered,
    *,
    occasion: str,
    facts: Mapping[str, Any],
    model: RegisteredModel | None,
    at: datetime,
    is_seen_by: Sees,
) -> int:
    """Write ``event`` into the outbox of every webhook that wants it; how many there were.

    To be called in the transaction of the change, so that both are kept or neither. ``facts`` are
    members of the body; ``occasion`` tells one time from the next: telling of the same one twice
    makes one delivery. ``model`` is None for what is about no model: webhooks of a single one are
    not told then. ``is_seen_by`` says whether an owner may see the subject.
    """
    rows = [
        _delivery(webhook, event, subject, occasion, facts, at)
        for webhook in _wanting(event, model.pk if model else None)
        if is_seen_by(Principal(webhook.owner))
    ]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        enqueue(SEND_WEBHOOKS)
    return len(rows)


def is_anybody_told(model_id: uuid.UUID | None) -> bool:
    """Whether any webhook hears of the model at all: most changes need no more than this.

    None for what is about no model.
    """
    return _hearing(model_id).exists()


def visible_webhooks(by: Principal) -> QuerySet[Webhook]:
    """One's own, for a manager of everything all; for a key only those of its models."""
    rows = Webhook.objects.select_related("model", "owner")
    if not by.has_scope_for(roles.VIEWER):
        return rows.none()
    if by.model_ids is not None:
        rows = rows.filter(model__in=by.model_ids)
    return rows if by.may_everywhere(roles.MANAGER) else rows.filter(owner=by.user)


def new_secret() -> str:
    """A key of 256 bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def target_of(webhook: Webhook) -> str:
    """Scheme and host, for lists and the audit trail: paths often are secrets themselves."""
    parts = urlsplit(webhook.url)
    return f"{parts.scheme}://{parts.netloc}"


def _hearing(model_id: uuid.UUID | None) -> QuerySet[Webhook]:
    hears = Q(model=None) if model_id is None else Q(model=None) | Q(model=model_id)
    return Webhook.objects.filter(hears, enabled=True)


def _wanting(event: str, model_id: uuid.UUID | None) -> list[Webhook]:
    rows = _hearing(model_id).select_related("owner")
    return [row for row in rows if event in row.events]


def _delivery(
    webhook: Webhook,
    event: str,
    subject: TimeOrdered,
    occasion: str,
    facts: Mapping[str, Any],
    at: datetime,
) -> WebhookDelivery:
    row = WebhookDelivery(
        webhook=webhook, event=event, subject_id=subject.pk, occasion=occasion[:64]
    )
    # The same text at each try: the receiver knows a repeated delivery by its id.
    moment = at.isoformat().replace("+00:00", "Z")
    row.body = json.dumps({"id": str(row.pk), "event": event, "at": moment, **facts})
    return row


def _require_scorer(by: Principal, model: RegisteredModel | None) -> None:
    if model is not None:
        require(by, roles.SCORER, model)
        return
    if by.model_ids is not None:
        raise NotAllowed("The key is limited to models: name one of them in “model”.")
    if not by.has_scope_for(roles.SCORER):
        raise NotAllowed(f"The key needs the scope “{roles.scope_for(roles.SCORER)}”.")
    if roles.SCORER not in roles_held(by.user):
        raise NotAllowed("This needs the role scorer on any model.")


def _held(by: Principal, webhook: Webhook) -> Webhook:
    """The row, locked, for whoever may change it. Raises WebhookNotFound once it is gone."""
    if not by.has_scope_for(roles.SCORER):
        raise NotAllowed(f"The key needs the scope “{roles.scope_for(roles.SCORER)}”.")
    if webhook.owner_id != by.user.pk and not by.may_everywhere(roles.MANAGER):
        raise NotAllowed("Only its owner or a manager of everything may change a webhook.")
    rows = Webhook.objects.select_for_update(of=("self",)).select_related("model", "owner")
    return get_visible(rows, WebhookNotFound, "webhook", pk=webhook.pk)


def _check_target(url: object) -> None:
    if not isinstance(url, str):
        raise InvalidField("A URL was expected.", pointer="/target_url")
    try:
        require_listed(read_url(url), Listed.of(conf.outgoing_hosts))
    except OutgoingRefused as error:
        raise InvalidField(str(error), pointer="/target_url") from error


def _checked_events(events: Sequence[str] | None) -> list[str]:
    if events is None:
        return list(EVENTS)
    for event in events:
        if event not in EVENTS:
            known = ", ".join(EVENTS)
            raise InvalidField(f"Unknown event “{event}”; known: {known}.", pointer="/events")
    if not events:
        raise InvalidField("At least one event is needed.", pointer="/events")
    return [event for event in EVENTS if event in events]


def _checked_secret(secret: str) -> str:
    low, high = _SECRET_CHARS
    if not low <= len(secret) <= high or not secret.isascii() or not secret.isprintable():
        raise InvalidField(
            f"{low} to {high} printable ASCII characters were expected.", pointer="/secret"
        )
    return secret


def _summary(webhook: Webhook) -> dict[str, Any]:
    return {
        "target": target_of(webhook),
        "events": list(webhook.events),
        "model": webhook.model.name if webhook.model else None,
        "enabled": webhook.enabled,
    }
