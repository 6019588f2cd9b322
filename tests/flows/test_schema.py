"""The OpenAPI description holds: what it allows is answered as it says, and never with 5xx.

Schemathesis makes requests from the description of a started service, some that fit it and some
that do not, on objects that are there and on names that nobody has. Each answer must have a
documented status, a documented media type and a body that fits its schema, and every problem a
code that the reference lists. The examples are the same at every run; ``MODELYARD_LONG_TESTS=1``
asks for many more.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
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

from tests.flows.conftest import People
from tests.flows.stories import (
    as_csv,
    as_joblib,
    checked,
    dataset,
    job,
    ok,
    plain,
    registered,
    upload,
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
FEW, MANY = 4, 150


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


@pytest.fixture(scope="module")
def world(live_stack: Stack, people: People) -> World:
    """Objects of every kind, and a key that may do everything to them."""
    marie = people.marie
    registered(marie, "fuzz")
    ok(marie.put("/models/fuzz/aliases/challenger", json={"version": 1}))
    dataset(marie, "fuzz-rows", as_csv())
    done = job(marie, model="fuzz", dataset="fuzz-rows")
    body = {"name": "fuzz", "model": "fuzz", "dataset": "fuzz-rows", "cron": "0 0 29 2 *"}
    ok(marie.post("/schedules", json=body), 201)
    key = ok(marie.post("/api-keys", json={"name": "fuzz"}), 201)
    checked(marie, upload(marie, "fuzz-waits", as_joblib(plain()), "model.joblib"))
    [waiting] = ok(marie.get("/approvals?model=fuzz-waits"))["results"]
    model = {"name": "fuzz", "ref": "fuzz", "number": 1, "alias": "challenger", "user": "vera"}
    page = httpx.get(f"{live_stack.url}/docs/errors").text
    return World(
        schemathesis.openapi.from_url(f"{live_stack.url}/api/v1/schema"),
        live_stack.url,
        {"Authorization": marie.headers["Authorization"]},
        frozenset(re.findall(r'id="([a-z-]+)"', page)),
        {
            "models": model,
            "datasets": {"name": "fuzz-rows", "number": 1, "user": "vera"},
            "batch-jobs": {"id": done["id"]},
            "schedules": {"name": "fuzz"},
            "api-keys": {"id": key["id"]},
            "approvals": {"id": waiting["id"]},
            "lineage": {"kind": "dataset", "id": ok(marie.get("/datasets/fuzz-rows"))["id"]},
        },
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
        answer = case.call(base_url=world.url, headers=world.headers, timeout=60)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            content_type = answer.headers["content-type"][0]
            assert content_type == PROBLEM, (answer.status_code, content_type)
            assert answer.json()["code"] in world.codes, answer.json()

    send()


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


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_described(world: World, mode: GenerationMode) -> None:
    found = broken(world, mode, FEW)

    assert not found, "\n\n".join(found)


@pytest.mark.long
@pytest.mark.skipif("MODELYARD_LONG_TESTS" not in os.environ, reason="MODELYARD_LONG_TESTS=1")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_many_requests_as_described(
    world: World, mode: GenerationMode
) -> None:
    found = broken(world, mode, MANY)

    assert not found, "\n\n".join(found)
