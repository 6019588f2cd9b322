"""Who is told of what: in the transaction of the change, once, and only what they may see."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from registry.actions.webhooks import EVENTS, JOB_CANCELLED, JOB_COMPLETED, JOB_FAILED
from registry.models import Grant, RegisteredModel, User, Webhook, WebhookDelivery
from tests import people, things
from tests.people import Person
from tests.registry.webhooks.outbox import hook, tell

pytestmark = pytest.mark.django_db


def told() -> set[Webhook]:
    return {row.webhook for row in WebhookDelivery.objects.select_related("webhook")}


def test_the_body_says_what_happened_and_has_the_id_of_its_delivery(
    olga: Person, churn: RegisteredModel
) -> None:
    hook(olga)
    assert tell(churn) == 1
    row = WebhookDelivery.objects.get()
    assert json.loads(row.body) == {
        "id": str(row.pk),
        "event": "batch-job.completed",
        "at": "2026-06-01T12:00:00Z",
        "job": {"model": "churn"},
    }
    assert (row.state, row.attempts) == ("waiting", 0)


def test_a_webhook_is_told_of_its_events_and_its_model_only(
    olga: Person, churn: RegisteredModel
) -> None:
    other = things.a_model(olga, "other")
    everything, failures = hook(olga), hook(olga, events=[JOB_FAILED])
    of_churn, of_other = hook(olga, model="churn"), hook(olga, model="OTHER")
    off = hook(olga, enabled=False)

    tell(churn, JOB_COMPLETED)
    assert told() == {everything, of_churn}
    tell(churn, JOB_FAILED)
    assert told() == {everything, of_churn, failures}
    tell(other, JOB_CANCELLED)
    assert told() == {everything, of_churn, failures, of_other}
    assert everything.events == list(EVENTS)
    assert off not in told()


def test_nobody_is_told_of_what_they_may_not_see_any_more(
    olga: Person, churn: RegisteredModel
) -> None:
    tariq = people.team_mate(churn)
    theirs = hook(tariq)
    tell(churn, occasion="1")
    assert told() == {theirs}

    Grant.objects.filter(user=tariq.user).delete()
    assert tell(churn, occasion="2") == 0
    people.grant(tariq, churn, "viewer")
    assert tell(churn, occasion="3") == 1
    User.objects.filter(pk=tariq.user.pk).update(is_active=False)
    assert tell(churn, occasion="4") == 0
    assert tell(churn, occasion="5", is_seen_by=lambda _: False) == 0


def test_telling_twice_of_the_same_makes_one_delivery(olga: Person, churn: RegisteredModel) -> None:
    hook(olga)
    for occasion in ("completed:1", "completed:1", "completed:2"):
        tell(churn, occasion=occasion)
    assert WebhookDelivery.objects.count() == 2


def test_what_is_undone_was_told_to_nobody(olga: Person, churn: RegisteredModel) -> None:
    hook(olga)
    with transaction.atomic():
        assert tell(churn) == 1
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()
