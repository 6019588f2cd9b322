"""Who is asking: keys and sessions, what they open and how they are refused."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from registry.actions.access import revoke_api_key
from registry.models import ApiKey
from tests import people, things

pytestmark = pytest.mark.django_db

ME = "/api/v1/me"


def test_without_a_key_one_is_asked_for():
    answer = Client().get(ME)

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="modelyard"'
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer my_aaaaaaaa_" + "b" * 43,
        "Basic b2xnYTp4",
        "Bearer my_é",
    ],
)
def test_what_is_no_known_key_is_401(header):
    answer = Client().get(ME, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")


def test_a_key_with_another_secret_is_401():
    key, text = people.owner().key()

    answer = people.client_with(text[:-1] + ("A" if text[-1] != "A" else "B")).get(ME)

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert key.public_id not in answer.content.decode()


def test_an_ended_key_says_that_it_has_ended():
    owner = people.owner()
    expired, text = owner.key()
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked, other = owner.key()
    revoke_api_key(by=owner.by, key=revoked)

    for answer in (people.client_with(text).get(ME), people.client_with(other).get(ME)):
        assert (answer.status_code, answer.json()["code"]) == (401, "key-expired")
        assert "WWW-Authenticate" in answer


def test_the_key_of_somebody_who_left_opens_nothing():
    owner = people.owner()
    client = owner.client()
    owner.user.is_active = False
    owner.user.save()

    assert client.get(ME).status_code == 401


def test_the_text_of_a_key_is_in_no_log_line(caplog):
    _, text = people.owner().key()
    caplog.set_level(logging.DEBUG)

    people.client_with(text).get(ME)
    people.client_with(text + "x").get(ME)

    assert text.split("_", 2)[2] not in caplog.text


def test_a_session_reads_freely_and_writes_with_its_token_only():
    owner = people.owner()
    client = owner.session(enforce_csrf_checks=True)
    client.cookies["modelyard-csrf"] = token = "a" * 32
    body = {"name": "churn"}

    assert client.get(ME).status_code == 200
    refused = client.post("/api/v1/models", body, content_type="application/json")
    taken = client.post(
        "/api/v1/models", body, content_type="application/json", headers={"X-CSRFToken": token}
    )

    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    assert "modelyard-csrf as the header X-CSRFToken" in refused.json()["detail"]
    assert taken.status_code == 201


def test_me_tells_role_groups_grants_scopes_and_key():
    owner = people.owner()
    things.a_model(owner)

    body = owner.client(scopes=["read"], models=["churn"]).get(ME).json()

    assert (body["username"], body["role"], body["groups"]) == ("olga", "publisher", ["Publishers"])
    assert [(g["role"], g["links"]["model"]) for g in body["grants"]] == [
        ("manager", "http://testserver/api/v1/models/churn")
    ]
    assert (body["scopes"], body["key"]["models"]) == (["read"], ["churn"])
    assert owner.session().get(ME).json()["key"] is None


def test_a_key_opens_only_its_models():
    owner = people.owner()
    things.a_version(things.a_model(owner, "churn"), owner)
    things.a_version(things.a_model(owner, "fraud"), owner)

    client = owner.client(models=["churn"])

    assert things.listed(client.get("/api/v1/models").json()) == ["churn"]
    assert client.get("/api/v1/models/churn/versions/1").status_code == 200
    for path in ("", "/versions", "/versions/1", "/versions/1/artifact", "/aliases", "/grants"):
        assert client.get(f"/api/v1/models/fraud{path}").status_code == 404, path
    made = client.post("/api/v1/models", {"name": "new"}, content_type="application/json")
    assert made.status_code == 403


def test_a_missing_scope_is_403_on_what_is_seen():
    owner = people.owner()
    things.a_model(owner)
    client = owner.client(scopes=["read"])

    answer = client.patch(
        "/api/v1/models/churn", {"description": "x"}, content_type="application/json"
    )

    assert client.get("/api/v1/models/churn").status_code == 200
    assert answer.status_code == 403
    assert "publish" in answer.json()["detail"]
