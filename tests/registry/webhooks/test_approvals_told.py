"""Webhooks are told of approvals and moves of aliases, and only whoever may see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.actions.aliases import move_alias, place_alias, remove_alias
from registry.actions.approvals import approve, reject
from registry.models import ApprovalRequest, RegisteredModel, Webhook, WebhookDelivery
from tests import people, things
from tests.cards import CARD
from tests.people import Person
from tests.registry.webhooks.outbox import hook

pytestmark = pytest.mark.django_db


@pytest.fixture
def guarded(churn: RegisteredModel) -> RegisteredModel:
    churn.approval_required, churn.card = True, CARD
    churn.save()
    return churn


def told(webhook: Webhook) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in webhook.deliveries.order_by("id")]


def ask(olga: Person, model: RegisteredModel, seed: str = "churn") -> ApprovalRequest:
    version = things.a_version(model, olga, seed=seed)
    asked = move_alias(by=olga.by, version=version, alias="champion", reason="Better.")
    assert isinstance(asked, ApprovalRequest)
    return asked


def test_asking_deciding_and_moving_are_told_in_this_order(
    olga: Person, guarded: RegisteredModel
) -> None:
    webhook = hook(olga)
    request = ask(olga, guarded)
    approve(by=people.approver().by, request=request, reason="The figures hold.")

    asked, *after = told(webhook)
    moved, approved = sorted(after, key=lambda body: body["event"])
    assert [body["event"] for body in (asked, moved, approved)] == [
        "approval.requested", "alias.moved", "approval.approved",
    ]  # fmt: skip
    assert asked["url"].endswith(f"/api/v1/approvals/{request.pk}")
    assert asked["approval"] == {
        "id": str(request.pk), "subject": "alias", "model": "churn", "version": 1,
        "alias": "champion", "dataset": None, "dataset_version": None, "tier": None,
        "state": "pending", "requested_by": "olga", "request_reason": "Better.",
        "decided_by": None, "reason": "",
    }  # fmt: skip
    assert (approved["approval"]["decided_by"], approved["approval"]["reason"]) == (
        "anna", "The figures hold.",
    )  # fmt: skip
    assert moved["alias"] == {
        "model": "churn", "alias": "champion", "from": None, "to": 1, "by": "olga",
        "approved_by": "anna", "reason": "Better.",
    }  # fmt: skip


def test_a_rejection_moves_nothing(olga: Person, guarded: RegisteredModel) -> None:
    webhook = hook(olga, events=["approval.rejected", "alias.moved"])
    reject(by=people.approver().by, request=ask(olga, guarded), reason="no")

    (body,) = told(webhook)
    assert (body["event"], body["approval"]["state"]) == ("approval.rejected", "rejected")


def test_an_alias_that_goes_is_told_and_one_that_stays_is_not(
    olga: Person, churn: RegisteredModel
) -> None:
    webhook = hook(olga, events=["alias.moved"])
    version = things.a_version(churn, olga)
    place_alias(by=olga.by, version=version, alias="challenger")
    place_alias(by=olga.by, version=version, alias="challenger")
    remove_alias(by=olga.by, model=churn, alias="challenger", reason="done")

    first, second = (body["alias"] for body in told(webhook))
    assert (first["from"], first["to"]) == (None, 1)
    assert (second["from"], second["to"], second["reason"]) == (1, None, "done")


def test_a_quarantined_version_asks_once(olga: Person, churn: RegisteredModel) -> None:
    webhook = hook(olga)
    things.a_quarantined_version(churn, olga)

    (body,) = told(webhook)
    assert (body["event"], body["approval"]["subject"]) == ("approval.requested", "version")


def test_whoever_does_not_see_the_model_is_not_told(olga: Person, guarded: RegisteredModel) -> None:
    other = people.person("otto")
    people.grant(other, things.a_model(olga, "other"), "scorer")
    hook(other)
    ask(olga, guarded)

    assert not WebhookDelivery.objects.exists()
