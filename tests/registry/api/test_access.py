"""API keys and grants over REST."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.actions import sealer
from registry.models import ApiKey, AuditSeal, Grant
from tests import people, things

pytestmark = pytest.mark.django_db

KEYS = "/api/v1/api-keys"


def post(client, path, body=None, **headers):
    return client.post(path, body or {}, content_type="application/json", headers=headers)


def put(client, path, body):
    return client.put(path, body, content_type="application/json")


def test_a_made_key_is_shown_once_and_works():
    client = people.owner().client()

    answer = post(client, KEYS, {"name": "nightly"})

    body = answer.json()
    assert (answer.status_code, body["scopes"], body["models"]) == (201, ["read", "score"], None)
    assert body["key"].startswith(body["prefix"])
    assert people.client_with(body["key"]).get("/api/v1/me").status_code == 200
    assert "key" not in client.get(body["url"]).json()
    assert body["key"].split("_", 2)[2] not in str(ApiKey.objects.values())


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a", "scopes": []}, "/scopes"),
        ({"name": "a", "scopes": "read"}, "/scopes"),
        ({"name": "a", "scopes": ["write"]}, "/scopes"),
        ({"name": "a", "scopes": ["approve"]}, "/scopes"),
        ({"name": "a", "scopes": [1]}, "/scopes/0"),
        ({"name": "a", "models": ["nope"]}, "/models"),
        ({"name": "a", "expires_at": "tomorrow"}, "/expires_at"),
        ({"name": "a", "expires_at": "2026-01-01T00:00:00"}, "/expires_at"),
        ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
def test_a_wrong_key_request_names_the_field_and_makes_none(body, pointer):
    client = people.owner().client()
    before = ApiKey.objects.count()

    answer = post(client, KEYS, body)

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert ApiKey.objects.count() == before


def test_a_key_makes_no_key_that_reaches_further():
    owner = people.owner()
    things.a_model(owner)
    soon = timezone.now() + timedelta(hours=1)
    narrow = owner.client(scopes=["read"])
    limited = owner.client(models=["churn"])
    short = owner.client(expires_at=soon)

    assert post(narrow, KEYS, {"name": "a", "scopes": ["publish"]}).status_code == 403
    assert post(limited, KEYS, {"name": "a"}).status_code == 403
    assert post(limited, KEYS, {"name": "a", "models": ["churn"]}).status_code == 201
    assert post(short, KEYS, {"name": "a"}).status_code == 403
    assert post(short, KEYS, {"name": "a", "expires_at": soon.isoformat()}).status_code == 201


def test_a_limited_key_neither_rotates_nor_ends_a_wider_one():
    owner = people.owner()
    things.a_model(owner)
    wide, _ = owner.key()

    for verb in ("rotate", "revoke"):
        answer = post(owner.client(models=["churn"]), f"{KEYS}/{wide.pk}/{verb}")
        assert answer.status_code == 404
    wide.refresh_from_db()
    assert wide.revoked_at is None


def test_a_key_ends_none_that_may_do_more_but_itself():
    owner = people.owner()
    wide, _ = owner.key()
    narrow, text = owner.key(scopes=["read"])
    client = people.client_with(text)

    for verb in ("rotate", "revoke"):
        assert post(client, f"{KEYS}/{wide.pk}/{verb}").status_code == 403
    wide.refresh_from_db()
    assert wide.revoked_at is None
    assert post(client, f"{KEYS}/{narrow.pk}/revoke").status_code == 200


def test_a_limited_key_is_told_of_no_model_beyond_its_own():
    owner = people.owner()
    things.a_model(owner)
    things.a_model(owner, "fraud")
    owner.key(models=["fraud"])
    wide, _ = owner.key()
    limited = owner.client(models=["churn"])

    assert "fraud" not in limited.get("/api/v1/me").content.decode()
    listed = limited.get(KEYS).json()["results"]
    assert [key["models"] for key in listed] == [["churn"]]
    assert limited.get(f"{KEYS}/{wide.pk}").status_code == 404
    assert len(owner.client().get(KEYS).json()["results"]) == 4


def test_a_rotated_key_ends_at_once_and_its_successor_reaches_as_far():
    owner = people.owner()
    things.a_model(owner)
    key, text = owner.key(scopes=["read"], models=["churn"])

    answer = post(owner.client(), f"{KEYS}/{key.pk}/rotate")

    body = answer.json()
    assert (answer.status_code, body["scopes"], body["models"]) == (201, ["read"], ["churn"])
    assert people.client_with(text).get("/api/v1/me").json()["code"] == "key-expired"
    assert people.client_with(body["key"]).get("/api/v1/me").status_code == 200
    assert post(owner.client(), f"{KEYS}/{key.pk}/rotate").json()["code"] == "state-conflict"


def test_a_revoked_key_ends_at_once_and_revoking_twice_changes_nothing():
    owner = people.owner()
    key, text = owner.key()
    client = owner.client()

    first = post(client, f"{KEYS}/{key.pk}/revoke").json()
    second = post(client, f"{KEYS}/{key.pk}/revoke").json()

    assert first["revoked_at"] == second["revoked_at"] is not None
    assert people.client_with(text).get("/api/v1/me").status_code == 401


def test_other_peoples_keys_do_not_exist_but_for_a_manager():
    key, _ = people.owner().key()
    other = people.person("otto", role="publisher").client()
    manager = people.manager().client()

    for verb in ("", "/rotate", "/revoke"):
        path = f"{KEYS}/{key.pk}{verb}"
        answer = post(other, path) if verb else other.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert things.listed(other.get(KEYS).json(), "user") == ["otto"]
    assert "olga" in things.listed(manager.get(KEYS).json(), "user")
    assert post(manager, f"{KEYS}/{key.pk}/revoke").status_code == 200


def test_only_a_manager_makes_keys_for_somebody_else():
    people.person("sid", role="scorer")

    assert post(people.owner().client(), KEYS, {"name": "a", "user": "sid"}).status_code == 403
    made = post(people.manager().client(), KEYS, {"name": "a", "user": "sid"})
    assert (made.status_code, made.json()["user"]) == (201, "sid")


def test_only_a_superuser_has_keys_that_stand_for_a_superuser():
    root = people.person("root", is_superuser=True)
    theirs, _ = root.key()
    marie = people.manager().client()

    assert post(marie, KEYS, {"name": "a", "user": "root"}).status_code == 403
    assert post(marie, f"{KEYS}/{theirs.pk}/rotate").status_code == 403
    assert post(marie, f"{KEYS}/{theirs.pk}/revoke").status_code == 200
    other = people.person("toor", is_superuser=True).client()
    assert post(other, KEYS, {"name": "a", "user": "root"}).status_code == 201


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_a_grant_opens_the_door_and_its_removal_closes_it(kind):
    owner = people.owner()
    things.a_model(owner, "thing")
    things.a_dataset_version(owner, "thing", is_read=False)
    tariq = people.person("tariq").session()
    client = owner.client()
    grant = f"/api/v1/{kind}/thing/grants/tariq"

    assert tariq.get(f"/api/v1/{kind}/thing").status_code == 404
    given = put(client, grant, {"role": "viewer"})
    assert (given.status_code, given.json()["role"]) == (200, "viewer")
    assert client.get(grant).json() == given.json()
    assert tariq.get(f"/api/v1/{kind}/thing").status_code == 200
    assert put(tariq, grant, {"role": "manager"}).status_code == 403
    assert tariq.get(grant).status_code == 403

    assert client.delete(grant).status_code == 204
    assert client.delete(grant).status_code == 404
    assert tariq.get(f"/api/v1/{kind}/thing").status_code == 404


def test_a_grant_names_a_known_user_and_role():
    owner = people.owner()
    things.a_model(owner)
    client = owner.client()

    assert put(client, "/api/v1/models/churn/grants/nobody", {"role": "viewer"}).status_code == 404
    wrong = put(client, "/api/v1/models/churn/grants/olga", {"role": "boss"})
    assert (wrong.status_code, wrong.json()["pointer"]) == (422, "/role")
    assert Grant.objects.get().role == "manager"


def test_the_audit_trail_is_for_managers_of_everything():
    owner = people.owner()
    things.a_model(owner)
    manager = people.manager()

    rows = manager.client().get("/api/v1/audit?action=model.create").json()["results"]

    assert [(row["actor"], row["object_name"]) for row in rows] == [("olga", "churn")]
    assert rows[0]["seal"] is None
    assert sealer.seal_waiting()
    row = manager.client().get("/api/v1/audit?action=model.create").json()["results"][0]
    seal = AuditSeal.objects.get(event_id=row["id"])
    assert row["seal"]["sealed_at"]
    assert (row["seal"]["place"], row["seal"]["hash"]) == (seal.pk, seal.hash)
    assert owner.client().get("/api/v1/audit").status_code == 403
    limited = manager.client(models=["churn"])
    assert limited.get("/api/v1/audit").status_code == 403


def test_an_audit_event_names_the_request_that_it_came_from():
    client = people.owner().client()
    post(client, "/api/v1/models", {"name": "churn"}, **{"X-Request-Id": "from-the-notebook"})

    rows = people.manager().client().get("/api/v1/audit?request_id=from-the-notebook").json()

    assert things.listed(rows, "action") == ["model.create"]
    assert rows["results"][0]["key_id"]
