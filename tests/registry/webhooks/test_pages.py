"""Pages of webhooks: made, tried, switched, taken away; the secret is shown once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry.actions import webhook_sending as sending
from registry.models import RegisteredModel, User, Webhook
from registry.sealing import unseal
from tests import people
from tests.people import Person
from tests.registry.outgoing.receivers import receiving, status
from tests.registry.webhooks.outbox import hook, tell

pytestmark = pytest.mark.django_db

LIST, NEW = "/admin/registry/webhook/", "/admin/registry/webhook/add/"
FORM: dict[str, Any] = {
    "target_url": "https://hooks.example.org/a-token",
    "events": ["batch-job.failed"],
}


def signed_in(who: Person) -> Client:
    User.objects.filter(pk=who.user.pk).update(is_staff=True)
    return who.session()


def page_of(webhook: Webhook, name: str = "change") -> str:
    return reverse(f"admin:registry_webhook_{name}", args=[webhook.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_new_webhook_shows_its_secret_once(olga: Person, churn: RegisteredModel) -> None:
    client = signed_in(olga)
    assert "127.0.0.1, hooks.example.org" in text(client.get(NEW))
    answer = client.post(NEW, FORM | {"model": "churn"})
    (secret,) = set(re.findall(r"whsec_[A-Za-z0-9_-]{43}", text(answer)))
    assert "no-store" in answer["Cache-Control"]
    webhook = Webhook.objects.get()
    assert (webhook.model, webhook.events) == (churn, ["batch-job.failed"])
    assert unseal(webhook.sealed_secret) == secret
    shown = text(client.get(page_of(webhook)))
    assert "https://hooks.example.org/a-token" in shown
    assert "whsec_" not in shown
    listed = text(client.get(LIST))
    assert "https://hooks.example.org" in listed
    assert "a-token" not in listed

    rotated = text(client.post(page_of(webhook, "rotate")))
    assert "whsec_" in rotated
    assert secret not in rotated


def test_what_cannot_be_sent_to_is_refused_on_the_form(olga: Person, settings: Any) -> None:
    client = signed_in(olga)
    answer = text(client.post(NEW, FORM | {"target_url": "https://elsewhere.test/"}))
    assert "elsewhere.test is not one of the hosts that OUTGOING_HOSTS lists" in answer
    assert "This field is required" in text(client.post(NEW, FORM | {"events": []}))
    assert not Webhook.objects.exists()
    settings.MODELYARD = settings.MODELYARD | {"OUTGOING_HOSTS": ()}
    assert "This site lists no host" in text(client.get(NEW))


def test_a_webhook_is_tried_changed_switched_and_taken_away(
    olga: Person, churn: RegisteredModel
) -> None:
    client = signed_in(olga)
    with receiving(status("404 Not Found")) as receiver:
        webhook = hook(olga, receiver.url())
        assert "Nothing was sent yet" in text(client.get(page_of(webhook)))
        client.post(page_of(webhook, "test"))
        tell(churn)
        sending.send_due()
    shown = text(client.get(page_of(webhook)))
    assert "The receiver answered 404." in shown
    assert "given up" in shown

    client.post(page_of(webhook, "switch"), {"enabled": "off"})
    client.post(page_of(webhook, "edit"), FORM)
    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.url) == (False, FORM["target_url"])
    for name in ("test", "switch", "rotate", "delete"):
        client.get(page_of(webhook, name))
    assert Webhook.objects.exists()
    assert client.post(page_of(webhook, "delete"))["Location"] == LIST
    assert not Webhook.objects.exists()


def test_why_it_was_switched_off_stands_on_the_page(olga: Person) -> None:
    webhook = hook(olga, enabled=False)
    Webhook.objects.update(disabled_reason="10 deliveries in a row were given up")
    client = signed_in(olga)
    assert "10 deliveries in a row" in text(client.get(page_of(webhook)))
    assert "switched off" in text(client.get(LIST))


def test_others_see_neither_list_nor_page(olga: Person, churn: RegisteredModel) -> None:
    webhook = hook(olga)
    for other in (people.team_mate(churn, role="manager"), people.stranger()):
        client = signed_in(other)
        assert "hooks.example.org" not in text(client.get(LIST))
        for name in ("change", "edit", "test", "switch", "rotate", "delete"):
            assert client.post(page_of(webhook, name)).status_code == 404
    assert "hooks.example.org" in text(signed_in(people.manager()).get(LIST))
