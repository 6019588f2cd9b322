"""The OpenAPI description: whole, without a warning, and true of what is answered."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from registry.actions import webhooks
from registry.api import urls
from registry.models import Connection, Grant, Webhook
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def described():
    """The description of the registry's doors, and what was said while it was made."""
    from django.urls import include, path

    patterns = [path("api/v1/", include(urls))]
    said = io.StringIO()
    with redirect_stderr(said):
        schema = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
        GENERATOR_STATS.emit_summary()
    GENERATOR_STATS.reset()
    return schema, said.getvalue()


def test_the_description_is_valid_openapi_and_made_without_a_warning(described):
    schema, said = described

    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")
    assert "arning" not in said.replace("Warnings: 0", "")


def test_every_operation_names_its_problems(described):
    schema, _ = described
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            statuses = {int(status) for status in operation["responses"]}
            assert {400, 401, 403, 404, 406, 429, 500, 503} <= statuses, (method, path)
            if method in ("post", "put", "patch") and "requestBody" in operation:
                assert {409, 413, 415, 422} <= statuses, (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (method, path)


def test_every_answer_is_as_described(described):
    schema, _ = described
    owner = people.owner()
    dataset = things.a_dataset_version(owner, "churn")
    model = things.a_model(owner, "churn", approval_required=True, tags={"a": "b"})
    version = things.a_version(model, owner, training_dataset=dataset, metrics={"auc": 0.5})
    things.a_version(model, owner, status="pending")
    owner.session().put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )
    client = people.approver().session()
    (request,) = client.get("/api/v1/approvals").json()["results"]
    reason = {"reason": "looked at it"}
    client.post(f"{request['url']}/approve", reason, content_type="application/json")
    manager = people.manager()
    key, _ = manager.key()
    webhook = Webhook.objects.create(
        url="https://hooks.example.org/", events=["batch-job.failed"], owner=manager.user
    )
    webhooks.test_webhook(by=manager.by, webhook=webhook)
    connection = Connection.objects.create(
        name="churn", driver="postgresql", address="postgresql://h/n", owner=manager.user
    )
    Grant.objects.create(user=owner.user, role="scorer", connection=connection)
    values = {
        "name": "churn",
        "number": "1",
        "alias": "champion",
        "user": "olga",
        "kind": "version",
    }
    ids = {
        "approvals": request["id"],
        "api-keys": str(key.pk),
        "lineage": str(version.pk),
        "webhooks": str(webhook.pk),
    }
    asked = manager.client()
    seen = 0
    for path, operations in schema["paths"].items():
        if "get" not in operations:
            continue
        area = path.split("/")[3]
        url = re.sub(r"{(\w+)}", lambda m, a=area: values.get(m[1]) or ids[a], path)
        answer = asked.get(url)
        assert answer.status_code == 200, (url, answer.content)
        if answer.streaming:
            b"".join(answer.streaming_content)
            continue
        content = operations["get"]["responses"]["200"]["content"]["application/json"]
        validator = Draft202012Validator(content["schema"] | {"components": schema["components"]})
        problems = [
            (list(error.path), error.message) for error in validator.iter_errors(answer.json())
        ]
        assert problems == [], url
        seen += 1
    assert seen >= 20


def test_a_whole_number_that_no_64_bits_hold_is_written_as_a_float():
    from registry.api.renderers import to_json

    shown = to_json({"max": [10**40, -(2**63), 2**62]})

    assert json.loads(shown) == {"max": [1e40, -9.223372036854775808e18, 2**62]}
