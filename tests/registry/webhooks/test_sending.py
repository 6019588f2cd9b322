"""Sending against real servers: the signature, tries that wait, giving up, senders that die."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from registry.actions import webhook_sending as sending
from registry.actions.webhooks import rotate_secret, test_webhook, update_webhook
from registry.models import AuditEvent, RegisteredModel, WebhookDelivery
from tests.people import Person
from tests.registry.outgoing.receivers import (
    Receiver,
    drips,
    never_ends,
    receiving,
    says,
    status,
)
from tests.registry.webhooks.outbox import SECRET, arrived, hook, ids_in, is_signed, later, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(status("200 OK")) as receiver:
        yield receiver


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("webhook").get()


def test_what_arrives_is_signed_with_the_time_and_the_body(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    hook(olga, receiver.url(path="/hook?x=1"))
    tell(churn)

    assert sending.send_due() == 1

    (request,) = receiver.requests
    headers, body = arrived(request)
    row = only()
    assert request.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert body == row.body.encode()
    assert headers["content-type"] == "application/json"
    assert headers["x-modelyard-event"] == "batch-job.completed"
    assert headers["x-modelyard-delivery"] == str(row.pk)
    assert abs(int(headers["x-modelyard-timestamp"]) - time.time()) < 60
    assert is_signed(headers, body)
    assert not is_signed(headers, body + b" ")
    assert not is_signed(headers, body, secret="another secret of the tests")
    assert not is_signed(headers | {"x-modelyard-timestamp": "1"}, body)
    assert (row.state, row.status_code, row.attempts, row.reason) == ("sent", 200, 1, "")
    assert row.sent_at is not None
    assert SECRET not in row.webhook.sealed_secret
    assert sending.send_due() == 0


def test_what_fails_is_tried_again_later_and_later_with_the_same_id(
    olga: Person, churn: RegisteredModel
) -> None:
    with receiving(status("500 Oops")) as away:
        webhook = hook(olga, away.url())
        tell(churn)
        waits = []
        for attempt in range(1, 9):
            before = only().next_at
            assert sending.send_due() == 1
            row = only()
            assert (row.attempts, row.status_code, row.state) == (attempt, 500, "waiting")
            assert row.reason == "The receiver answered 500."
            assert sending.send_due() == 0
            waits.append(row.next_at - before)
            later(seconds=waits[-1].total_seconds() + 1)
    assert waits == sorted(waits)
    assert waits[0] >= timedelta(seconds=10)
    assert waits[-1] < timedelta(hours=1, minutes=5)

    with receiving(status("200 OK")) as back:
        update_webhook(by=olga.by, webhook=webhook, target_url=back.url())
        assert sending.send_due() == 1
    assert (only().state, only().attempts) == ("sent", 9)
    assert set(ids_in(away.requests + back.requests)) == {str(only().pk)}
    assert len(away.requests) == 8


def test_a_day_without_success_is_given_up(olga: Person, churn: RegisteredModel) -> None:
    with receiving(status("503 Away")) as away:
        webhook = hook(olga, away.url())
        tell(churn)
        sending.send_due()
        later(hours=23, minutes=59, seconds=30)
        assert sending.send_due() == 1
        assert sending.send_due() == 0
    row = only()
    assert (row.state, row.attempts, row.status_code) == ("given-up", 2, 503)
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.enabled) == (1, True)


def test_what_was_never_tried_is_given_up_too(olga: Person, churn: RegisteredModel) -> None:
    webhook = hook(olga)
    tell(churn)
    update_webhook(by=olga.by, webhook=webhook, enabled=False)
    assert not sending.is_any_due()
    later(days=1, minutes=1)
    assert sending.is_any_due()
    assert sending.send_due() == 0
    assert (only().state, only().reason) == ("given-up", "It waited for a day and was not sent.")
    assert not sending.is_any_due()


def test_ten_given_up_in_a_row_switch_a_webhook_off(olga: Person, churn: RegisteredModel) -> None:
    with receiving(status("410 Gone")) as gone:
        webhook = hook(olga, gone.url())
        for occasion in range(sending.GIVEN_UP_MAX):
            tell(churn, occasion=str(occasion))
        sending.send_due()
        later(days=1, minutes=1)
        sending.send_due()
    webhook.refresh_from_db()
    assert not webhook.enabled
    assert "10 deliveries in a row were given up" in webhook.disabled_reason
    event = AuditEvent.objects.get(action="webhook.disable")
    assert (event.actor, event.reason) == ("modelyard", webhook.disabled_reason)
    assert tell(churn, occasion="one more") == 0

    webhook = update_webhook(by=olga.by, webhook=webhook, enabled=True)
    assert (webhook.failures, webhook.disabled_reason) == (0, "")


def test_a_delivery_that_arrives_forgets_the_failures_before(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    webhook = hook(olga, receiver.url())
    webhook.failures = 9
    webhook.save()
    tell(churn)
    sending.send_due()
    webhook.refresh_from_db()
    assert webhook.failures == 0


def test_a_receiver_that_is_away_costs_one_call_whatever_waits(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    with receiving(status("500 Oops")) as away:
        hook(olga, away.url())
        hook(olga, receiver.url())
        for occasion in range(5):
            tell(churn, occasion=str(occasion))
        assert sending.send_due() == 6
    assert (len(away.requests), len(receiver.requests)) == (1, 5)


def test_a_sender_that_dies_after_the_call_sends_again_with_the_same_id(
    olga: Person, churn: RegisteredModel, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(olga, receiver.url())
    tell(churn)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(sending, "_note_sent", die)
        with pytest.raises(SystemExit):
            sending.send_due()
    assert only().state == "waiting"
    assert sending.send_due() == 0, "the lease still holds"
    later(seconds=21)
    assert sending.send_due() == 1
    assert ids_in(receiver.requests) == [str(only().pk)] * 2
    assert (only().state, only().attempts) == ("sent", 2)


def test_one_webhook_is_sent_to_by_one_sender_at_a_time(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    hook(olga, receiver.url())
    tell(churn, occasion="1")
    tell(churn, occasion="2")
    first = sending._claim()
    assert first is not None
    assert sending._claim() is None

    later(seconds=21)
    second = sending._claim()
    assert second is not None
    assert second.pk == first.pk
    sending._note_sent(first, 200)
    assert WebhookDelivery.objects.get(pk=first.pk).state == "waiting", "a fenced sender"
    sending._note_sent(second, 200)
    assert WebhookDelivery.objects.get(pk=first.pk).state == "sent"


def test_a_redirect_is_a_failure(olga: Person, churn: RegisteredModel, receiver: Receiver) -> None:
    moved = says(f"HTTP/1.1 307 Moved\r\nLocation: {receiver.url()}\r\nContent-Length: 0\r\n\r\n")
    with receiving(moved) as elsewhere:
        hook(olga, elsewhere.url())
        tell(churn)
        sending.send_due()
    assert receiver.requests == []
    assert only().status_code == 307
    assert only().reason == "The receiver answered 307; redirects are not followed."


def test_a_name_that_leads_inside_gets_nothing(
    olga: Person, churn: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(olga, "http://hooks.inner.test/")
    tell(churn)
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.0.9", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    sending.send_due()
    assert (only().state, only().status_code) == ("waiting", None)
    assert "192.168.0.9, an inner address" in only().reason


@pytest.mark.parametrize(
    ("answer", "words"), [(drips, "did not answer within"), (never_ends, "answered more than")]
)
def test_slow_and_endless_answers_are_failures(
    olga: Person,
    churn: RegisteredModel,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    words: str,
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.3)
    with receiving(answer) as receiver:
        hook(olga, receiver.url())
        tell(churn)
        sending.send_due()
    assert words in only().reason
    assert only().state == "waiting"


def test_a_test_is_sent_though_the_webhook_is_off_and_tried_once(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    webhook = hook(olga, receiver.url(), enabled=False)
    test_webhook(by=olga.by, webhook=webhook)
    assert sending.send_due() == 1
    assert arrived(receiver.requests[0])[0]["x-modelyard-event"] == "webhook.test"
    assert only().state == "sent"

    with receiving(status("404 Not Found")) as wrong:
        update_webhook(by=olga.by, webhook=webhook, target_url=wrong.url())
        row = test_webhook(by=olga.by, webhook=webhook)
        assert sending.send_due() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.status_code) == ("given-up", 1, 404)
    webhook.refresh_from_db()
    assert webhook.failures == 0


def test_what_waits_for_somebody_who_left_is_not_sent(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    hook(olga, receiver.url())
    tell(churn)
    olga.user.is_active = False
    olga.user.save()
    assert sending.send_due() == 0
    assert not receiver.requests

    olga.user.is_active = True
    olga.user.save()
    assert sending.send_due() == 1


def test_a_new_secret_signs_what_waits(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    webhook = hook(olga, receiver.url())
    tell(churn)
    _, secret = rotate_secret(by=olga.by, webhook=webhook)
    sending.send_due()
    headers, body = arrived(receiver.requests[0])
    assert is_signed(headers, body, secret)
    assert not is_signed(headers, body)


def test_a_secret_of_another_secret_key_is_said(
    olga: Person, churn: RegisteredModel, receiver: Receiver, settings: Any
) -> None:
    hook(olga, receiver.url())
    tell(churn)
    settings.SECRET_KEY = "another " * 10
    sending.send_due()
    assert receiver.requests == []
    assert "another SECRET_KEY" in only().reason


def test_what_ended_a_month_ago_is_removed(
    olga: Person, churn: RegisteredModel, receiver: Receiver
) -> None:
    hook(olga, receiver.url())
    tell(churn, occasion="old")
    sending.send_due()
    WebhookDelivery.objects.update(created_at=only().created_at - timedelta(days=31))
    tell(churn, occasion="new")
    assert sending.sweep_deliveries() == 1
    assert only().occasion == "new"
