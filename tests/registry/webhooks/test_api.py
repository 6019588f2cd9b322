"""Webhooks over REST: bodies, secrets, who may what, deliveries."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from registry.actions import webhook_sending as sending
from registry.models import AuditEvent, RegisteredModel, Webhook
from tests import people, things
from tests.people import Person
from tests.registry.outgoing.receivers import receiving, status
from tests.registry.webhooks.outbox import arrived, hook, is_signed, tell

pytestmark = pytest.mark.django_db

HOOKS = "/api/v1/webhooks"
TARGET = "https://hooks.example.org/path-with-a-token"


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    call = getattr(client, method)
    return call(path, body or {}, content_type="application/json", headers=headers)


def test_a_secret_that_is_made_is_shown_once_and_signs(
    olga: Person, churn: RegisteredModel
) -> None:
    client = olga.client()
    with receiving(status("200 OK")) as receiver:
        body = {"target_url": receiver.url(), "model": "Churn", "events": ["batch-job.completed"]}
        answer = send(client, "post", HOOKS, body)
        made = answer.json()
        assert (answer.status_code, answer["Location"]) == (201, made["url"])
        assert (made["model"], made["events"]) == ("churn", ["batch-job.completed"])
        assert (made["owner"], made["enabled"], made["failures"]) == ("olga", True, 0)
        tell(churn)
        sending.send_due()
    assert is_signed(*arrived(receiver.requests[0]), made["secret"])
    shown = client.get(made["url"]).json()
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    assert made["secret"] not in str(Webhook.objects.values()) + str(AuditEvent.objects.values())

    rotated = send(client, "post", f"{made['url']}/rotate").json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]


def test_a_repeated_call_makes_one_webhook_and_gives_no_secret_away(olga: Person) -> None:
    client = olga.client()
    answers = [
        send(client, "post", HOOKS, {"url": TARGET}, **{"Idempotency-Key": "k"}) for _ in range(2)
    ]
    first, second = (answer.json() for answer in answers)
    assert first["secret"]
    assert second == first | {"secret": None}
    assert Webhook.objects.count() == 1


def test_a_secret_that_was_given_is_not_said_again(olga: Person) -> None:
    body = {"target_url": TARGET, "secret": "given by the receiver"}
    answer = send(olga.client(), "post", HOOKS, body)
    assert (answer.status_code, answer.json()["secret"]) == (201, None)
    assert b"given by" not in answer.content


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/target_url"),
        ({"target_url": 1}, "/target_url"),
        ({"target_url": TARGET, "url": TARGET}, "/url"),
        ({"target_url": "hooks.example.org"}, "/target_url"),
        ({"target_url": "https://me:word@hooks.example.org/"}, "/target_url"),
        ({"target_url": "https://other.example.org/"}, "/target_url"),
        ({"target_url": "http://169.254.169.254/latest"}, "/target_url"),
        ({"target_url": TARGET, "events": []}, "/events"),
        ({"target_url": TARGET, "events": ["batch-job.started"]}, "/events"),
        ({"target_url": TARGET, "events": "batch-job.failed"}, "/events"),
        ({"target_url": TARGET, "secret": "short"}, "/secret"),
        ({"target_url": TARGET, "secret": "a\tsecret with a tab"}, "/secret"),
        ({"target_url": TARGET, "enabled": "yes"}, "/enabled"),
        ({"target_url": TARGET, "name": "mine"}, "/name"),
    ],
)
def test_a_wrong_request_names_the_field_and_makes_none(
    olga: Person, body: dict[str, Any], pointer: str
) -> None:
    answer = send(olga.client(), "post", HOOKS, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    found = answer.json()
    assert pointer in (found.get("pointer"), *(one["pointer"] for one in found.get("errors", ())))
    assert not Webhook.objects.exists()


def test_without_a_list_of_hosts_there_are_no_webhooks(olga: Person, settings: Any) -> None:
    settings.MODELYARD = settings.MODELYARD | {"OUTGOING_HOSTS": ()}
    answer = send(olga.client(), "post", HOOKS, {"target_url": TARGET})
    assert answer.status_code == 422
    assert "OUTGOING_HOSTS" in answer.json()["detail"]


def test_a_change_changes_only_what_is_sent(olga: Person) -> None:
    client = olga.client()
    url = f"{HOOKS}/{hook(olga).pk}"
    answer = send(client, "patch", url, {"events": ["batch-job.failed"], "enabled": False})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["events"], body["enabled"]) == (["batch-job.failed"], False)
    assert body["target_url"] == "http://hooks.example.org/"
    refused = send(client, "patch", url, {"target_url": "https://elsewhere.test/"})
    assert (refused.status_code, refused.json()["pointer"]) == (422, "/target_url")
    assert send(client, "patch", url, {"model": "churn"}).json()["pointer"] == "/model"


def test_the_list_is_narrowed(olga: Person, churn: RegisteredModel) -> None:
    client = olga.client()
    everything, of_churn = hook(olga), hook(olga, model="churn", enabled=False)

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"{HOOKS}{query}").json()["results"]]

    assert ids("") == [str(of_churn.pk), str(everything.pk)]
    assert ids("?model=CHURN") == ids("?enabled=false") == [str(of_churn.pk)]
    assert client.get(f"{HOOKS}/{of_churn.pk}?expand=model").json()["model"]["name"] == "churn"


def test_a_test_waits_in_the_outbox_and_the_deliveries_say_what_became_of_it(
    olga: Person, churn: RegisteredModel
) -> None:
    client = olga.client()
    with receiving(status("404 Not Found")) as receiver:
        url = f"{HOOKS}/{hook(olga, receiver.url()).pk}"
        answer = send(client, "post", f"{url}/test")
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
        assert answer["Location"].endswith(f"{url}/deliveries")
        tell(churn)
        sending.send_due()
    rows = client.get(f"{url}/deliveries").json()["results"]
    assert [(row["event"], row["state"]) for row in rows] == [
        ("batch-job.completed", "waiting"),
        ("webhook.test", "given-up"),
    ]
    assert rows[1]["id"] == answer.json()["id"]
    assert (rows[1]["status_code"], rows[1]["next_at"]) == (404, None)
    assert rows[1]["reason"] == "The receiver answered 404."
    assert client.get(f"{url}/deliveries?state=waiting").json()["count"] == 1
    assert client.get(f"{url}/deliveries?event=webhook.test").json()["count"] == 1


def doors(webhook: Webhook) -> list[tuple[str, str]]:
    url = f"{HOOKS}/{webhook.pk}"
    return [
        ("get", url),
        ("get", f"{url}/deliveries"),
        ("patch", url),
        ("post", f"{url}/test"),
        ("post", f"{url}/rotate"),
        ("delete", url),
    ]


def test_a_webhook_is_its_owners_alone(olga: Person, churn: RegisteredModel) -> None:
    webhook = hook(olga, model="churn")
    others = [people.team_mate(churn, role="manager").client(), people.stranger().session()]
    for other in others:
        assert other.get(HOOKS).json()["count"] == 0
        for method, path in doors(webhook):
            answer = send(other, method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook-not-found"), path
    for id in ("x", str(uuid.uuid4())):
        assert olga.client().get(f"{HOOKS}/{id}").json()["code"] == "webhook-not-found"


def test_a_manager_of_everything_sees_and_changes_all(olga: Person) -> None:
    webhook = hook(olga)
    marie = people.manager().client()
    assert marie.get(HOOKS).json()["count"] == 1
    statuses = [send(marie, method, path).status_code for method, path in doors(webhook)]
    assert statuses == [200, 200, 200, 202, 200, 204]


def test_a_key_to_read_looks_and_changes_nothing(olga: Person) -> None:
    webhook = hook(olga)
    reader = olga.client(scopes=["read"])
    answers = [send(reader, method, path).status_code for method, path in doors(webhook)]
    assert answers == [200, 200, 403, 403, 403, 403]
    assert send(reader, "post", HOOKS, {"target_url": TARGET}).status_code == 403


def test_a_key_of_one_model_reaches_webhooks_of_that_model(
    olga: Person, churn: RegisteredModel
) -> None:
    things.a_model(olga, "other")
    of_all, of_churn = hook(olga), hook(olga, model="churn")
    client = olga.client(models=["churn"])
    assert [row["id"] for row in client.get(HOOKS).json()["results"]] == [str(of_churn.pk)]
    assert client.get(f"{HOOKS}/{of_all.pk}").status_code == 404
    assert send(client, "post", HOOKS, {"url": TARGET, "model": "churn"}).status_code == 201
    assert send(client, "post", HOOKS, {"url": TARGET}).status_code == 403
    assert send(client, "post", HOOKS, {"url": TARGET, "model": "other"}).status_code == 404


def test_who_only_looks_makes_none(churn: RegisteredModel) -> None:
    viewer = people.team_mate(churn, role="viewer").client()
    for body in ({"url": TARGET}, {"url": TARGET, "model": "churn"}):
        assert send(viewer, "post", HOOKS, body).status_code == 403
    sam = people.stranger().session()
    assert send(sam, "post", HOOKS, {"url": TARGET}).status_code == 403
    assert send(sam, "post", HOOKS, {"url": TARGET, "model": "churn"}).status_code == 404


def test_every_change_is_audited_without_the_path_of_the_address(olga: Person) -> None:
    client = olga.client()
    url = send(client, "post", HOOKS, {"url": TARGET}).json()["url"]
    send(client, "patch", url, {"enabled": False})
    send(client, "patch", url, {"enabled": False})
    send(client, "post", f"{url}/rotate")
    send(client, "post", f"{url}/test")
    send(client, "delete", url)
    events = AuditEvent.objects.filter(action__startswith="webhook.").order_by("id")
    assert [event.action.split(".")[1] for event in events] == [
        "create", "update", "rotate", "test", "delete",
    ]  # fmt: skip
    assert events[0].after["target"] == "https://hooks.example.org"
    assert "token" not in str(list(events.values()))


def test_not_more_than_fifty_for_one_owner(olga: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.actions.webhooks.WEBHOOKS_MAX", 1)
    hook(olga)
    answer = send(olga.client(), "post", HOOKS, {"url": TARGET})
    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
