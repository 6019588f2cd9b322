"""What differs between SQLite and PostgreSQL, on a real PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from registry.actions.approvals import approve
from registry.actions.archiving import archive_dataset
from registry.actions.dataset_changes import update_dataset
from registry.actions.models import create_model
from registry.actions.retention import erase_expired
from registry.actions.tiers import ask_for_tier
from registry.errors import StateConflict
from registry.models import DatasetVersion, RegisteredModel
from tests import people, things

pytestmark = pytest.mark.postgres

MODELS = "/api/v1/models"


def test_a_version_moves_up_and_is_erased_under_locks():
    olga, anna = people.owner(), people.approver()
    version = things.a_dataset_version(olga)
    rules = {"rows": {"min": 3}, "columns": {"age": {"min": 7, "max_null_share": 0}}}
    dataset = update_dataset(by=olga.by, dataset=version.dataset, rules=rules, retention_days=30)
    version.refresh_from_db()

    asked = ask_for_tier(by=olga.by, version=version, tier="curated", reason="Cleaned.")
    with pytest.raises(StateConflict):
        ask_for_tier(by=olga.by, version=version, tier="curated", reason="Cleaned.")
    approve(by=anna.by, request=asked, reason="Fine.")
    born = timezone.now() - timedelta(days=31)
    DatasetVersion.objects.filter(pk=version.pk).update(created_at=born)
    assert erase_expired().versions == 1

    version = DatasetVersion.objects.get(pk=version.pk)
    assert (version.tier, version.erased_at is None, version.profile) == ("curated", False, [])
    assert archive_dataset(by=olga.by, dataset=dataset).archived_at is not None


def test_tags_of_any_characters_are_found():
    owner = people.owner()
    client = owner.client()
    tags = {"2024": "x", "a__b": "y", 'q"': "quote\"d'", "empty": "", "n": "1"}
    things.a_model(owner, "tagged", tags=tags)
    things.a_model(owner, "other", tags={"2024": "y"})

    for key, value in tags.items():
        found = client.get(MODELS, {"tag": f"{key}:{value}"}).json()
        assert things.listed(found) == ["tagged"], key


def test_a_metric_of_many_digits_can_be_shown_again():
    owner = people.owner()
    things.a_version(things.a_model(owner), owner, metrics={"n": 10**40, "m": 1e22})

    shown = owner.client().get(f"{MODELS}/churn/versions/1").json()

    assert shown["metrics"] == {"n": 1e40, "m": 1e22}


def test_a_nul_character_is_an_answer_and_no_error_of_the_database():
    owner = people.owner()
    things.a_model(owner)
    client = owner.client()

    for path in (
        "models/%00",
        "models/churn/versions/%00",
        "models/churn/aliases/%00",
        "models/churn/aliases/%00/history",
        "models/churn/grants/%00",
        "datasets/%00",
        "approvals/%00",
        "api-keys/%00",
        "lineage/model/%00",
    ):
        assert client.get(f"/api/v1/{path}").status_code == 404, path
    made = client.post(MODELS, {"name": "a\0"}, content_type="application/json")
    assert made.status_code == 422


def test_a_name_is_unique_whatever_its_case():
    owner = people.owner()
    things.a_model(owner)

    with pytest.raises(IntegrityError, match="model_name_once"), transaction.atomic():
        RegisteredModel.objects.create(name="Churn", owner=owner.user)
    answer = owner.client().post(MODELS, {"name": "CHURN"}, content_type="application/json")
    assert answer.json()["code"] == "name-taken"


def test_expansion_and_idempotency_work_there_too():
    owner = people.owner()
    things.a_version(things.a_model(owner), owner, training_dataset=things.a_dataset_version(owner))
    client = owner.client()

    body = client.get(f"{MODELS}?expand=versions.training_dataset.dataset,champion").json()
    form = {"name": "churn2"}
    first, second = (
        client.post(MODELS, form, content_type="application/json", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )

    (model,) = body["results"]
    assert model["versions"][0]["training_dataset"]["dataset"]["name"] == "customers"
    assert (second.content, second["Idempotency-Replayed"]) == (first.content, "true")


def test_of_two_calls_at_once_one_works_and_the_other_is_told_to_wait(monkeypatch):
    owner = people.owner()
    client = owner.client()
    entered, go_on = threading.Event(), threading.Event()

    def slow(**values):
        entered.set()
        assert go_on.wait(20)
        return create_model(**values)

    monkeypatch.setattr("registry.api.doors.models.create_model", slow)

    def post(who):
        try:
            return who.post(
                MODELS,
                {"name": "churn"},
                content_type="application/json",
                headers={"Idempotency-Key": "k"},
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, client)
        assert entered.wait(20)
        second = post(client)
        go_on.set()
        assert first.result(20).status_code == 201

    assert (second.status_code, second.json()["code"]) == (409, "idempotency-in-progress")
    assert post(client)["Idempotency-Replayed"] == "true"
    assert RegisteredModel.objects.count() == 1
