"""Hostile texts in every body, path and query of the API: kept as texts, or refused."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client

from registry.models import Connection, RegisteredModel
from serving.models import Schedule
from tests import people, things
from tests.attacks import machines
from tests.attacks.machines import World
from tests.attacks.texts import FOR_DATABASES, HOSTILE
from tests.drawing import amount, seed

API = "/api/v1"
ADDRESS = "postgresql://reader@hooks.example.org/sales"
# What is sent where, besides the one text: so that it comes further than to the first refusal.
BODIES: dict[str, dict[str, Any]] = {
    "POST /models": {"name": "other", "description": "d", "tags": {"key": "value"}},
    "PATCH /models/{name}": {"description": "d", "tags": {"key": "value"}},
    "PATCH /models/{name}/versions/{number}": {
        "description": "d",
        "tags": {"key": "value"},
        "metrics": {"auc": 1},
    },
    "PUT /models/{name}/aliases/{alias}": {"version": 1, "reason": "r"},
    "PUT /models/{name}/grants/{user}": {"role": "viewer"},
    "PUT /models/{name}/route": {"targets": [{"alias": "champion", "weight": 100}]},
    "POST /approvals/{id}/approve": {"reason": "r"},
    "POST /approvals/{id}/reject": {"reason": "r"},
    "PATCH /datasets/{name}": {"description": "d", "tags": {"key": "value"}},
    "PUT /datasets/{name}/grants/{user}": {"role": "viewer"},
    "POST /connections": {
        "name": "other",
        "driver": "postgresql",
        "address": ADDRESS,
        "description": "d",
        "secret": "s",
    },
    "PATCH /connections/{name}": {"description": "d", "secret": "s"},
    "PUT /connections/{name}/grants/{user}": {"role": "viewer"},
    "POST /api-keys": {"name": "n", "scopes": ["read"], "models": ["churn"]},
    "POST /webhooks": {"target_url": machines.HOOK, "events": ["batch-job.failed"]},
    "PATCH /webhooks/{id}": {"target_url": machines.HOOK, "events": ["batch-job.failed"]},
    "POST /batch-jobs": {"model": "churn", "dataset": "customers", "outputs": ["prediction"]},
    "POST /schedules": {
        "name": "other",
        "cron": "0 3 * * *",
        "timezone": "UTC",
        "model": "churn",
        "dataset": "customers",
    },
    "PATCH /schedules/{name}": {"cron": "0 3 * * *", "model": "churn", "outputs": ["prediction"]},
    "POST /models/{ref}/predict": {
        "instances": [{"age": 1, "city": "Rome"}],
        "outputs": ["prediction"],
        "params": {"name": "value"},
    },
    "POST /models/{name}/versions/{number}/predict": {"instances": [{"age": 1, "city": "Rome"}]},
}


class Target:
    """The API's own description, something behind each path, and a superuser's key."""

    def __init__(self) -> None:
        self.world = world = World()
        self.root = people.person("root", is_superuser=True, is_staff=True)
        self.client = people.client_with(self.root.key()[1])
        schedule = machines.SCHEDULES.make(world, "enabled")
        hook = machines.WEBHOOKS.make(world, "enabled")
        request = machines.ALIAS_REQUESTS.make(world, "pending")
        job = machines.JOBS.make(world, "completed")
        key = machines.KEYS.make(world, "active")
        connection = Connection.objects.create(
            name="sales", driver="postgresql", address=ADDRESS, owner=self.root.user
        )
        self.values: dict[str, dict[str, Any]] = {
            "models": {"name": "churn", "ref": "churn", "alias": "champion"},
            "datasets": {"name": "customers"},
            "schedules": {"name": schedule},
            "connections": {"name": connection},
            "webhooks": {"id": hook.pk},
            "approvals": {"id": request.pk},
            "batch-jobs": {"id": job.pk},
            "api-keys": {"id": key.pk},
            "lineage": {"kind": "model", "id": RegisteredModel.objects.get().pk},
        }
        described = self.client.get(f"{API}/schema", headers={"Accept": "application/json"})
        self.described: dict[str, Any] = described.json()

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path below the root, and its description."""
        for path, operations in self.described["paths"].items():
            for method, told in operations.items():
                if path.startswith(API) and method != "parameters":
                    yield method, path.removeprefix(API), told

    def filled(self, path: str, **hostile: str) -> str:
        """The path with something behind it, or with a hostile text in one place."""
        known = {"number": 1, "user": "olga", **self.values.get(path.split("/")[1], {})}
        for name, value in (known | hostile).items():
            path = path.replace(
                f"{{{name}}}", quote(str(value).encode("utf-8", "replace"), safe="")
            )
        return API + path

    def properties(self, told: dict[str, Any], media: str) -> dict[str, Any]:
        """The members of a body, as described."""
        body = told.get("requestBody", {}).get("content", {}).get(media, {}).get("schema", {})
        return dict(self._resolved(body).get("properties", {}))

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema


def with_text(value: Any, text: str) -> Iterator[Any]:
    """The value with the text in the place of each text in it, keys included, one at a time."""
    if isinstance(value, str):
        yield text
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield {text if key == k else k: v for k, v in value.items()}
            for changed in with_text(inner, text):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for changed in with_text(inner, text):
                yield [*value[:index], changed, *value[index + 1 :]]


def _texts_in(value: Any) -> int:
    return sum(1 for _ in with_text(value, ""))


def nth(value: Any, text: str, place: int) -> Any:
    """The value with the text in one of its places."""
    return next(itertools.islice(with_text(value, text), place, None))


class Watch:
    """Asks, and keeps what was answered wrongly."""

    def __init__(self, client: Client) -> None:
        self.client, self.wrong, self.asked, self.done = client, [], 0, 0  # type: ignore[var-annotated]

    def ask(self, method: str, path: str, what: object, **options: Any) -> Any:
        """One call, undone again; every answer is one of ours."""
        with transaction.atomic():
            answer = getattr(self.client, method)(path, **options)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            transaction.set_rollback(True)
        self.asked += 1
        self.done += answer.status_code < 300
        is_ours = answer.status_code < 400 or answer["Content-Type"] == "application/problem+json"
        if answer.status_code >= 500 or not is_ours or "X-Evil" in answer:
            self.wrong.append((method, path[:80], repr(what)[:60], answer.status_code, body[:80]))
        return answer


class Named(io.BytesIO):
    """A small table under any name, as the shell of some client gave it."""

    def __init__(self, name: str) -> None:
        super().__init__(things.CUSTOMERS)
        self.name = name


class Texts:
    """A few hostile texts for each place, drawn anew: all of them come somewhere."""

    def __init__(self, texts: tuple[str, ...], few: int) -> None:
        self.texts, self.few = texts, amount(len(texts), short=few)
        self.random = random.Random(seed())

    def __iter__(self) -> Iterator[str]:
        yield from self.random.sample(self.texts, self.few)


@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.django_db),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def texts(request: pytest.FixtureRequest) -> Texts:
    """Those for all places on SQLite; on PostgreSQL those that only it would refuse."""
    return Texts(HOSTILE, 3) if request.param == "sqlite" else Texts(FOR_DATABASES, 2)


def test_in_every_json_body_they_are_texts_or_refused(texts: Texts) -> None:
    target = Target()
    watch, reached = Watch(target.client), set()
    for method, path, told in target.operations():
        base = BODIES.get(f"{method.upper()} {path}", {})
        fields = target.properties(told, "application/json")
        for place in [*fields, *range(_texts_in(base))]:
            for text in texts:
                body = base | {place: text} if isinstance(place, str) else nth(base, text, place)
                options = {"data": json.dumps(body), "content_type": "application/json"}
                if watch.ask(method, target.filled(path), body, **options).status_code < 300:
                    reached.add(f"{method.upper()} {path}")
    assert not watch.wrong
    assert watch.asked > 200
    # Refusals alone would say nothing about what becomes of a text that is taken.
    assert {"POST /models", "PATCH /datasets/{name}", "POST /api-keys"} <= reached


def test_in_every_form_they_are_texts_or_refused(texts: Texts) -> None:
    target = Target()
    watch = Watch(target.client)
    for method, path, told in target.operations():
        fields = target.properties(told, "multipart/form-data")
        files = [name for name, field in fields.items() if field.get("format") == "binary"]
        for name in fields:
            for text in texts:
                sendable = text.encode("utf-8", "replace").decode()  # no form carries a surrogate
                body: dict[str, Any] = {"name": "other", name: sendable}
                for file in files:
                    body[file] = Named(sendable if file == name else "rows.csv")
                watch.ask(method, f"{target.filled(path)}?create=true", body, data=body)
    assert not watch.wrong
    assert watch.asked > 20


def test_in_every_path_and_query_they_find_nothing(texts: Texts) -> None:
    target = Target()
    watch = Watch(target.client)
    for method, path, told in target.operations():
        for place in told.get("parameters", ()):
            name = place["name"]
            for text in texts:
                short = text[:2_000]
                if place["in"] == "path":
                    watch.ask(method, target.filled(path, **{name: short}), name)
                elif place["in"] == "query":
                    value = quote(short.encode("utf-8", "replace"), safe="")
                    watch.ask(method, f"{target.filled(path)}?{name}={value}", name)
    assert not watch.wrong
    assert watch.asked > 500


@pytest.mark.django_db
def test_a_text_too_long_for_a_search_is_no_error_of_the_database() -> None:
    target, long = Target(), "x" * 60_000
    body = {"model": long, "dataset": long}
    asked = target.client.post(f"{API}/batch-jobs", body, content_type="application/json")
    searched = target.client.get(f"{API}/models?search={long}")
    listed = target.root.session().get(f"/admin/registry/registeredmodel/?q={long}")

    assert (asked.status_code, asked.json()["code"]) == (404, "model-not-found")
    assert len(asked.json()["detail"]) < 300
    assert (searched.status_code, searched.json()["code"]) == (400, "malformed-parameter")
    assert listed.status_code == 200


@pytest.mark.django_db
def test_what_is_taken_is_given_back_as_it_was() -> None:
    target = Target()
    for text in HOSTILE:
        if "\0" in text or "\ud800" in text or len(text) > 100_000:
            continue
        body = {"description": text, "tags": {"t": text[:256]}}
        answer = target.client.patch(
            f"{API}/models/churn", json.dumps(body), content_type="application/json"
        )
        assert answer.status_code == 200, text
        again = target.client.get(f"{API}/models/churn").json()
        assert (again["description"], again["tags"]) == (text, {"t": text[:256]})


@pytest.mark.django_db
def test_every_description_of_a_body_is_of_something_that_is_asked_for() -> None:
    known = {f"{method.upper()} {path}" for method, path, _ in Target().operations()}

    assert set(BODIES) <= known
    assert Schedule.objects.exists()
