"""Stories: what the service says of itself: descriptions, documentation, health, metrics."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from registry import errors
from tests.flows.conftest import People
from tests.flows.stories import ROW, ok, problem
from tests.services.stack import Stack


def codes_of(error: type[errors.DomainError]) -> set[str]:
    """The codes of an error and of all that are derived from it."""
    return {error.code}.union(*(codes_of(kind) for kind in error.__subclasses__()))


def description(http: httpx.Client, model: str) -> dict[str, Any]:
    found: dict[str, Any] = ok(http.get(f"/models/{model}/openapi.json"))
    return found["paths"][f"/models/{model}/predict"]["post"]


def test_a_models_description_has_its_real_columns_and_takes_what_predict_takes(
    olga: httpx.Client, model: str
) -> None:
    operation = description(olga, model)

    sent = operation["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator(sent["schema"])
    assert validator.is_valid({"instances": [ROW]})
    assert validator.is_valid({"columns": {name: [value] for name, value in ROW.items()}})
    assert not validator.is_valid({"instances": [ROW | {"age": "old"}]})
    assert not validator.is_valid({"instances": [{"city": "Rome"}]})
    # What it shows as an example works as it stands, and the answer fits its description.
    answer = ok(olga.post(f"/models/{model}/predict", json=sent["example"]))
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(described).validate(answer)
    assert described["properties"]["predictions"]["items"]["enum"] == ["no", "yes", None]


def test_a_models_description_names_only_the_outputs_that_it_has(
    olga: httpx.Client, model: str
) -> None:
    [rows, _] = description(olga, model)["requestBody"]["content"]["application/json"]["schema"][
        "oneOf"
    ]

    offered = rows["properties"]["outputs"]["items"]["enum"]

    assert offered == ["prediction", "probabilities", "decision"]
    for output in offered:
        ok(olga.post(f"/models/{model}/predict", json={"instances": [ROW], "outputs": [output]}))


@pytest.mark.parametrize("ref", ["story@champion", "story%40champion"])
def test_a_description_can_be_had_for_every_ref(olga: httpx.Client, model: str, ref: str) -> None:
    assert ok(olga.get(f"/models/{ref}/openapi.json"))["openapi"].startswith("3.1")


def test_the_schema_needs_no_key_and_is_openapi_3_1(live_stack: Stack) -> None:
    schema = httpx.get(f"{live_stack.url}/api/v1/schema")

    assert schema.json()["openapi"].startswith("3.1")
    assert "/api/v1/models/{ref}/predict" in schema.json()["paths"]


def test_the_docs_list_every_code_of_every_problem(live_stack: Stack) -> None:
    page = httpx.get(f"{live_stack.url}/docs/errors")

    assert page.status_code == 200
    listed = set(re.findall(r'id="([a-z-]+)"', page.text))
    assert codes_of(errors.DomainError) <= listed
    assert set(errors.ROW_CODES) <= set(re.findall(r"[a-z-]+", page.text))


def test_the_readable_pages_have_no_code_of_their_own_inline(live_stack: Stack) -> None:
    for path in ("/docs", "/docs/errors", "/admin/login/"):
        page = httpx.get(f"{live_stack.url}{path}")
        assert page.status_code == 200, path
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page.text), path
        assert not re.search(r"\son[a-z]+=", page.text), path


def test_health_needs_no_key(live_stack: Stack) -> None:
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = httpx.get(f"{live_stack.url}{path}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert set(httpx.get(f"{live_stack.url}/readyz").json()["parts"].values()) == {"ok"}


def test_metrics_are_for_keys_with_the_scope_admin(live_stack: Stack, people: People) -> None:
    url = f"{live_stack.url}/metrics"
    problem(httpx.get(url), 401, "not-authenticated")
    problem(people.olga.get(url), 403, "not-allowed")

    answer = people.marie.get(url)

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert re.search(r"^modelyard_models \d", answer.text, re.MULTILINE)
    assert re.search(r"^modelyard_requests_total\{", answer.text, re.MULTILINE)
    for line in answer.text.splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{.*\})? \S+", line), line
