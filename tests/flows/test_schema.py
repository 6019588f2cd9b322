"""The OpenAPI description holds: what it allows is answered as it says, and never with 5xx.

Schemathesis makes requests from the description of a started service, some that fit it and some
that do not, on objects that are there and on names that nobody has. Each answer must have a
documented status, a documented media type and a body that fits its schema, and every problem a
code that the reference lists. The examples are the same at every run; ``MODELYARD_LONG=1``
asks for many more.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.cards import CARD
from tests.flows.conftest import People
from tests.flows.stories import (
    ROW,
    as_csv,
    as_skops,
    dataset,
    job,
    ok,
    plain,
    registered,
)
from tests.services.stack import Stack

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PROBLEM = "application/problem+json"
FEW, MANY = 4, 60

# Requests that do what they ask for: such answers are seldom met by chance.
DOING: dict[str, Any] = {
    "POST /models": {"name": "doing-made"},
    "PATCH /models/{name}": {"tags": {"a": "b"}, "card": {"risk_rating": "low"}},
    "POST /models/{name}/versions": {"artifact": as_skops(plain()), "source": "here"},
    "PATCH /models/{name}/versions/{number}": {"metrics": {"auc": 0.5}},
    "PUT /models/{name}/aliases/{alias}": {"version": 1},
    "GET /models/{name}/aliases/{alias}/history": None,
    "PUT /models/{name}/route": {
        "targets": [{"alias": "champion", "weight": 90}, {"version": 1, "weight": 10}],
        "mirror": [{"alias": "challenger"}],
    },
    "GET /models/{name}/route": None,
    "GET /models/{name}/route/comparisons": None,
    "GET /models/{name}/records": None,
    "PUT /models/{name}/grants/{user}": {"role": "viewer"},
    "POST /models/{ref}/predict": {"instances": [ROW]},
    "POST /models/{name}/versions/{number}/predict": {"columns": {k: [v] for k, v in ROW.items()}},
    "GET /models/{name}/versions/{number}/artifact": None,
    "GET /models/{ref}/openapi.json": None,
    "POST /datasets": {"name": "doing-made", "file": b"a\n1\n"},
    "PATCH /datasets/{name}": {"classification": "internal"},
    "PUT /datasets/{name}/grants/{user}": {"role": "viewer"},
    "GET /datasets/{name}/versions/{number}/download": None,
    "GET /datasets/{name}/versions/{number}/rules": None,
    "POST /datasets/{name}/versions/{number}/promote": {"tier": "product", "reason": "clean"},
    "POST /datasets/{name}/versions/{number}/demote": {"tier": "raw", "reason": "not clean"},
    "POST /datasets/{name}/archive": None,
    "POST /datasets/{name}/unarchive": None,
    "POST /batch-jobs": {"model": "doing", "dataset": "doing-rows"},
    "GET /batch-jobs/{id}/results": None,
    "GET /batch-jobs/{id}/rejects": None,
    "POST /schedules": {
        "name": "doing-made", "model": "doing", "dataset": "doing-rows", "cron": "0 0 29 2 *",
    },
    "PATCH /schedules/{name}": {"enabled": False},
    "POST /schedules/{name}/run-now": None,
    "GET /schedules/{name}/slots": None,
    "POST /api-keys": {"name": "made"},
    "POST /api-keys/{id}/rotate": None,
    "POST /approvals/{id}/approve": {"reason": "seen"},
    "GET /lineage/{kind}/{id}": None,
    "GET /audit/export": None,
    "POST /models/{name}/archive": None,
    "POST /models/{name}/unarchive": None,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """The description, who asks, and what is there to be asked for."""

    api: Any
    url: str
    headers: dict[str, str]
    codes: frozenset[str]
    known: dict[str, dict[str, Any]]
    """the first step of a path below the root -> values of its parameters"""

    def parameters_of(self, path: str) -> dict[str, Any] | None:
        """Values for the parameters of a path that lead to something; None without any."""
        names = re.findall(r"\{(\w+)\}", path)
        known = self.known.get(path.split("/")[3], {})
        return {name: known[name] for name in names} if names else None


def objects(people: People, name: str) -> dict[str, dict[str, Any]]:
    """Make an object of every kind; the parameters that lead to them, see ``World.known``."""
    marie, olga = people.marie, people.olga
    registered(marie, name)
    ok(marie.put(f"/models/{name}/aliases/challenger", json={"version": 1}))
    rows = dataset(marie, f"{name}-rows", as_csv(), tier="curated")
    done = job(marie, model=name, dataset=f"{name}-rows")
    body = {"name": name, "model": name, "dataset": f"{name}-rows", "cron": "0 0 29 2 *"}
    ok(marie.post("/schedules", json=body), 201)
    # Of somebody else, so that no request ends the key that all are sent with.
    key = ok(olga.post("/api-keys", json={"name": name}), 201)
    registered(olga, f"{name}-guarded")
    ok(marie.patch(f"/models/{name}-guarded", json={"approval_required": True, "card": CARD}))
    waiting = ok(olga.put(f"/models/{name}-guarded/aliases/later", json={"version": 1}), 202)
    webhook = {"url": "http://127.0.0.1:9/", "events": ["batch-job.failed"]}
    hook = ok(marie.post("/webhooks", json=webhook), 201)
    # Nobody answers there.
    database = {"name": name, "driver": "postgresql", "address": "postgresql://a@127.0.0.1:9/b"}
    ok(marie.post("/connections", json=database), 201)
    return {
        "webhooks": {"id": hook["id"]},
        "connections": {"name": name, "user": "vera"},
        "models": {
            "name": name,
            "ref": name,
            "number": 1,
            "alias": "challenger",
            "user": "vera",
            # Of a record, which a second later could be there, and is not.
            "id": "0198a000-0000-7000-8000-000000000000",
        },
        "datasets": {"name": f"{name}-rows", "number": 1, "user": "vera"},
        "batch-jobs": {"id": done["id"]},
        "schedules": {"name": name},
        "api-keys": {"id": key["id"]},
        "approvals": {"id": waiting["id"]},
        "lineage": {"kind": "dataset-version", "id": rows["id"]},
    }


@pytest.fixture(scope="module")
def world(live_stack: Stack, people: People) -> World:
    """Objects of every kind, and a key that may do everything to them."""
    page = httpx.get(f"{live_stack.url}/docs/errors").text
    return World(
        schemathesis.openapi.from_url(f"{live_stack.url}/api/v1/schema"),
        live_stack.url,
        {"Authorization": people.marie.headers["Authorization"]},
        frozenset(re.findall(r'id="([a-z-]+)"', page)),
        objects(people, "fuzz"),
    )


def cases(world: World, operation: Any, mode: GenerationMode) -> st.SearchStrategy[Case]:
    """Requests to an operation: on what is there, and on anything."""
    anything = operation.as_strategy(generation_mode=mode)
    known = world.parameters_of(operation.path)
    if known is None:
        return anything
    return st.one_of(operation.as_strategy(generation_mode=mode, path_parameters=known), anything)


def examine(world: World, operation: Any, mode: GenerationMode, examples: int) -> None:
    """Send this many requests to one operation. Raises what the first bad answer breaks."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(world, operation, mode))
    def send(case: Case) -> None:
        answered(world, case)

    send()


def answered(world: World, case: Case) -> int:
    """Send a request; the status of the answer, which is as described."""
    answer = case.call(base_url=world.url, headers=world.headers, timeout=60)
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 400:
        content_type = answer.headers["content-type"][0]
        assert content_type == PROBLEM, (answer.status_code, content_type)
        assert answer.json()["code"] in world.codes, answer.json()
    return int(answer.status_code)


def broken(world: World, mode: GenerationMode, examples: int) -> list[str]:
    """What is wrong with each operation that does not do as described."""
    found = []
    for result in world.api.get_all_operations():
        operation = result.ok()
        try:
            examine(world, operation, mode, examples)
        except (AssertionError, FailureGroup) as error:
            found.append(f"{operation.method.upper()} {operation.path}\n{error}")
    return found


def test_what_does_something_answers_as_described(world: World, people: People) -> None:
    world = replace(world, known=objects(people, "doing"))
    for request, body in DOING.items():
        method, _, path = request.partition(" ")
        operation = world.api[f"/api/v1{path}"][method]
        values: dict[str, Any] = {"path_parameters": world.parameters_of(operation.path) or {}}
        if body is not None:
            is_form = any(isinstance(part, bytes) for part in body.values())
            media_type = "multipart/form-data" if is_form else "application/json"
            values |= {"body": body, "media_type": media_type}

        assert answered(world, operation.Case(**values)) in (200, 201, 202), request


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_described(world: World, mode: GenerationMode) -> None:
    found = broken(world, mode, FEW)

    assert not found, "\n\n".join(found)


@pytest.mark.long
@pytest.mark.skipif("MODELYARD_LONG" not in os.environ, reason="MODELYARD_LONG=1")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_many_requests_as_described(
    world: World, mode: GenerationMode
) -> None:
    found = broken(world, mode, MANY)

    assert not found, "\n\n".join(found)
