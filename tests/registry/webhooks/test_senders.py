"""Several senders at once on PostgreSQL: each delivery arrives, and only once while nobody dies."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection

from registry import queue
from registry.actions import webhook_sending as sending
from registry.models import WebhookDelivery
from tests import people, things
from tests.registry.outgoing.receivers import receiving, status
from tests.registry.webhooks.outbox import hook, ids_in, tell

WEBHOOKS, OCCASIONS, SENDERS = 6, 5, 3


@pytest.mark.postgres
def test_senders_share_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_ring", lambda name, ids: None)
    olga = people.owner()
    churn = things.a_model(olga)
    errors: list[BaseException] = []

    def send() -> None:
        try:
            # Nothing is due for one while the others hold every webhook.
            while WebhookDelivery.objects.filter(state="waiting").exists():
                sending.send_due()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    with receiving(status("200 OK")) as receiver:
        for _ in range(WEBHOOKS):
            hook(olga, receiver.url())
        for occasion in range(OCCASIONS):
            tell(churn, occasion=str(occasion))
        senders = [threading.Thread(target=send) for _ in range(SENDERS)]
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join()

    assert errors == []
    arrivals = Counter(ids_in(receiver.requests))
    assert len(arrivals) == WEBHOOKS * OCCASIONS
    assert set(arrivals.values()) == {1}
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("sent", 1)}
