"""Approvals, mails, the history of an alias and model cards, on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection

from registry.actions import mailing
from registry.models import ApprovalRequest, RegisteredModel
from tests import people, things
from tests.cards import CARD

pytestmark = pytest.mark.postgres

MODEL = "/api/v1/models/churn"


def put(client, number):
    return client.put(
        f"{MODEL}/aliases/champion", {"version": number}, content_type="application/json"
    )


def test_from_asking_over_the_mail_to_the_way_back(settings):
    settings.MODELYARD = settings.MODELYARD | {"SENDS_MAIL": True}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    owner = people.owner()
    anna = people.person("anna", role="approver", email="anna@example.org")
    model = things.a_model(owner, approval_required=True)
    for number, auc in ((1, 0.5), (2, 0.75)):
        things.a_version(model, owner, seed=str(number), metrics={"auc": auc})
    client, reviewer = owner.client(), anna.client()

    for number in (1, 2, 1):
        asked = put(client, number).json()
        mailing.send_due_mails()
        answer = reviewer.post(
            f"/api/v1/approvals/{asked['id']}/approve", {"reason": "ok"},
            content_type="application/json",
        )  # fmt: skip
        assert answer.json()["state"] == "approved"

    second = ApprovalRequest.objects.get(version__number=2)
    assert second.evidence["metrics"]["rows"] == [
        {"name": "auc", "value": 0.75, "present": 0.5, "change": 0.25}
    ]
    assert len(mail.outbox) == 3
    assert client.get(f"{MODEL}/aliases/champion").json()["previous_version"] == 2
    moves = client.get(f"{MODEL}/aliases/champion/history").json()["results"]
    assert [(move["to"], move["until"]) for move in moves] == [
        (1, None), (2, moves[0]["at"]), (1, moves[1]["at"]),
    ]  # fmt: skip


def test_two_people_fill_in_different_fields_at_once_and_both_stay():
    owner = people.owner()
    things.a_model(owner)
    clients = [owner.client() for _ in CARD]
    ready = Barrier(len(clients))

    def fill_in(client, field):
        ready.wait(20)
        try:
            body = {"card": {field: CARD[field]}}
            return client.patch(MODEL, body, content_type="application/json").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        assert set(pool.map(fill_in, clients, CARD)) == {200}

    assert RegisteredModel.objects.get().card == CARD
