"""Fifty posts with one idempotency key at the same moment, on PostgreSQL: one thing is made."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from registry.models import ApiKey, AuditEvent, DatasetVersion, RegisteredModel, Webhook
from serving.models import BatchJob, Schedule
from tests import people, things
from tests.attacks import machines
from tests.attacks.machines import World
from tests.attacks.routes import doors
from tests.attacks.test_moves_at_once import all_at_once

AT_ONCE = 50
KEY = {"Idempotency-Key": "the-same"}
JSON_POSTS: list[tuple[str, dict[str, Any], Any]] = [
    ("/models", {"name": "made"}, RegisteredModel),
    ("/api-keys", {"name": "made", "scopes": ["read"]}, ApiKey),
    ("/batch-jobs", {"model": "churn", "dataset": "customers"}, BatchJob),
    ("/webhooks", {"target_url": machines.HOOK}, Webhook),
    (
        "/schedules",
        {"name": "made", "cron": "0 3 * * *", "model": "churn", "dataset": "customers"},
        Schedule,
    ),
]


def posts(world: World, path: str, bodies: list[Any], **options: Any) -> list[Any]:
    """The answers to as many posts as there are bodies, started at the same moment."""

    def post(body: Any) -> Callable[[], Any]:
        client = people.client_with(world.texts["olga"])
        return lambda: client.post(f"/api/v1{path}", body, headers=KEY, **options)

    return all_at_once([post(body) for body in bodies])


def assert_made_once(answers: list[Any]) -> None:
    """One was new; the others saw it again, or were told to wait."""
    told = Counter(answer.status_code for answer in answers)
    made = [answer for answer in answers if answer.status_code < 300]
    fresh = [answer for answer in made if "Idempotency-Replayed" not in answer]
    assert len(fresh) == 1, told
    assert {answer.json()["url"] for answer in made} == {fresh[0].json()["url"]}
    refused = {answer.json()["code"] for answer in answers if answer.status_code >= 400}
    assert refused <= {"idempotency-in-progress"}, told


@pytest.mark.postgres
@pytest.mark.parametrize(("path", "body", "made"), JSON_POSTS, ids=[row[0] for row in JSON_POSTS])
def test_fifty_posts_with_one_key_make_one(path: str, body: dict[str, Any], made: Any) -> None:
    world = World()
    rows, events = made.objects.count(), AuditEvent.objects.count()

    answers = posts(world, path, [body] * AT_ONCE, content_type="application/json")

    assert_made_once(answers)
    assert (made.objects.count(), AuditEvent.objects.count()) == (rows + 1, events + 1)
    (again,) = posts(world, path, [body], content_type="application/json")
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.postgres
def test_fifty_uploads_with_one_key_make_one_version_and_leave_no_scratch() -> None:
    world = World()
    before, lying_there = DatasetVersion.objects.count(), set(things.scratch_files())

    bodies = [{"name": "made", "file": things.table_file()} for _ in range(AT_ONCE)]
    answers = posts(world, "/datasets", bodies)

    assert_made_once(answers)
    assert DatasetVersion.objects.count() == before + 1
    assert set(things.scratch_files()) <= lying_there


@pytest.mark.postgres
def test_fifty_bodies_under_one_key_make_one_and_the_others_hear_why() -> None:
    world = World()
    bodies = [{"name": f"made-{number}"} for number in range(AT_ONCE)]

    answers = posts(world, "/models", bodies, content_type="application/json")

    told = Counter(a.json()["code"] if a.status_code >= 400 else "made" for a in answers)
    assert told == {"made": 1, "idempotency-mismatch": AT_ONCE - 1}
    assert RegisteredModel.objects.filter(name__startswith="made").count() == 1


@pytest.mark.postgres
def test_the_text_of_a_new_key_is_in_one_answer_alone() -> None:
    world = World()
    body = {"name": "made", "scopes": ["read"]}

    answers = posts(world, "/api-keys", [body] * AT_ONCE, content_type="application/json")

    texts = [a.json().get("key") for a in answers if a.status_code < 300]
    (text,) = [text for text in texts if text]
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM registry_idempotencyrecord")
        assert not any(text.encode() in bytes(body) for (body,) in cursor.fetchall())


def test_every_door_that_takes_a_key_keeps_its_word() -> None:
    takes = [door for door in doors() if getattr(door.call, "is_creating", False)]
    keeps = [door for door in doors() if "once(" in inspect.getsource(door.call)]

    assert takes == keeps
    assert len(takes) >= 15
