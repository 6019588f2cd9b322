"""Idempotency-Key: a repeated call gets the first answer, and nothing is made twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from registry.api import idempotency
from registry.models import ApiKey, DatasetVersion, IdempotencyRecord, ModelVersion, RegisteredModel
from tests import people, things

pytestmark = pytest.mark.django_db

MODELS = "/api/v1/models"
VERSIONS = "/api/v1/models/churn/versions"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def client(owner):
    return owner.client()


def post(client, body, key="k-1", path=MODELS):
    return client.post(
        path, body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def upload(client, key="k-1", seed="churn", query="", **fields):
    return client.post(
        f"{VERSIONS}{query}",
        {"artifact": things.model_file(seed)} | fields,
        headers={"Idempotency-Key": key},
    )


def test_a_repeated_call_gets_status_headers_and_body_again(client):
    first = post(client, {"name": "churn"})
    second = post(client, {"name": "churn"})

    assert (second.status_code, second.content) == (201, first.content)
    assert second["Location"] == first["Location"]
    assert second["Content-Type"] == first["Content-Type"]
    assert (second["Idempotency-Replayed"], first.get("Idempotency-Replayed")) == ("true", None)
    assert RegisteredModel.objects.count() == 1


def test_the_order_of_fields_does_not_matter(client):
    post(client, '{"name": "churn", "description": "x"}')

    assert post(client, '{"description": "x",  "name": "churn"}').status_code == 201


def test_another_body_is_a_mismatch(client):
    post(client, {"name": "churn"})

    answer = post(client, {"name": "other"})

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-mismatch")


def test_an_upload_is_compared_by_fields_query_and_digests(owner, client):
    things.a_model(owner)
    first = upload(client, description="x")

    assert upload(client, description="x").content == first.content
    for changed in (
        upload(client, description="y"),
        upload(client, seed="other", description="x"),
        upload(client, query="?create=true", description="x"),
    ):
        assert changed.json()["code"] == "idempotency-mismatch"
    assert ModelVersion.objects.count() == 1


def test_a_key_belongs_to_one_principal_and_one_route(owner, client):
    post(client, {"name": "churn"})
    other = owner.client()

    assert post(other, {"name": "churn"}).json()["code"] == "name-taken"
    assert post(client, {"name": "nightly"}, path="/api/v1/api-keys").status_code == 201


def test_a_refused_call_leaves_the_key_free(client):
    assert post(client, {"name": "a b"}).status_code == 422
    assert not IdempotencyRecord.objects.exists()

    assert post(client, {"name": "churn"}).status_code == 201


def test_a_call_that_breaks_leaves_the_key_free(client, monkeypatch):
    def broken(*args, **kwargs):
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr("registry.api.doors.models.create_model", broken)
        assert post(client, {"name": "churn"}).status_code == 500

    assert post(client, {"name": "churn"}).status_code == 201


def test_while_the_first_runs_the_second_is_told_so(client):
    answers = []
    post(client, {"name": "churn"})
    IdempotencyRecord.objects.update(status=None)

    answers.append(post(client, {"name": "churn"}))
    answers.append(post(client, {"name": "other"}))

    assert [a.json()["code"] for a in answers] == [
        "idempotency-in-progress",
        "idempotency-mismatch",
    ]


def test_a_call_whose_process_died_can_be_repeated_after_the_lease(client):
    post(client, {"name": "churn"})
    RegisteredModel.objects.all().delete()
    long_ago = timezone.now() - idempotency.LEASE - timedelta(seconds=1)
    IdempotencyRecord.objects.update(status=None, created_at=long_ago)

    answer = post(client, {"name": "churn"})

    assert (answer.status_code, answer.get("Idempotency-Replayed")) == (201, None)


def test_a_call_that_outlives_its_lease_undoes_its_work(client, monkeypatch):
    from registry.actions.models import create_model

    def slow(**values):
        model = create_model(**values)
        IdempotencyRecord.objects.all().delete()  # somebody took the key over
        return model

    monkeypatch.setattr("registry.api.doors.models.create_model", slow)

    answer = post(client, {"name": "churn"})

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-in-progress")
    assert not RegisteredModel.objects.exists()


def test_an_answer_is_kept_for_a_day_and_then_swept(client):
    post(client, {"name": "churn"})
    yesterday = timezone.now() - idempotency.KEPT - timedelta(seconds=1)
    IdempotencyRecord.objects.update(created_at=yesterday)

    answer = post(client, {"name": "other"})

    assert answer.status_code == 201
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é", "tab\t"])
def test_a_malformed_key_is_400(client, key):
    answer = post(client, {"name": "churn"}, key)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_the_text_of_a_new_key_is_neither_kept_nor_replayed(client):
    first = post(client, {"name": "nightly"}, path="/api/v1/api-keys")
    second = post(client, {"name": "nightly"}, path="/api/v1/api-keys")

    secret = first.json()["key"].split("_", 2)[2]
    assert secret.encode() not in bytes(IdempotencyRecord.objects.get().body)
    assert (second.status_code, second.json()["key"]) == (201, None)
    assert second.json()["id"] == first.json()["id"]
    assert ApiKey.objects.filter(name="nightly").count() == 1


def test_a_dataset_is_uploaded_once(client):
    def send():
        form = {"name": "customers", "file": things.table_file()}
        return client.post("/api/v1/datasets", form, headers={"Idempotency-Key": "k"})

    first, second = send(), send()

    assert (first.status_code, second.status_code) == (202, 202)
    assert second["Idempotency-Replayed"] == "true"
    assert DatasetVersion.objects.count() == 1
