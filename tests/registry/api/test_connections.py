"""Connections over REST: who makes, sees, uses and changes them; secrets come in and stay in."""

from __future__ import annotations

import json
import logging

import pytest
from django.db import connection as database

from registry.models import AuditEvent, Connection, DatasetVersion, Grant, IdempotencyRecord
from registry.sealing import unseal
from tests import people

pytestmark = pytest.mark.django_db

ALL = "/api/v1/connections"
SHOP = f"{ALL}/shop"
SECRET = "gaensebluemchen-17"
BODY = {
    "name": "shop",
    "driver": "postgresql",
    "address": "postgresql://reader@127.0.0.1:1/shop",
    "secret": SECRET,
}


def send(client, method, path, body=None, **headers):
    return client.generic(method, path, json.dumps(body or {}), "application/json", headers=headers)


@pytest.fixture
def marie():
    return people.manager().client()


@pytest.fixture
def shop(marie):
    answer = send(marie, "POST", ALL, BODY)
    assert answer.status_code == 201, answer.json()
    return Connection.objects.get()


def give(who, row, role):
    Grant.objects.create(user=who.user, role=role, connection=row)


def test_a_made_connection_is_answered_without_its_secret(marie, shop):
    body = marie.get(SHOP).json()
    assert (body["name"], body["driver"], body["address"]) == ("shop", *list(BODY.values())[1:3])
    assert (body["has_secret"], body["allows_reading"], body["allows_writing"]) == (
        True,
        True,
        False,
    )
    assert body["classification"] == "internal"
    assert unseal(shop.sealed_secret) == SECRET


def test_its_classification_is_of_the_strictest_results_that_go_there(marie, shop):
    answer = send(marie, "PATCH", SHOP, {"classification": "confidential"})
    assert (answer.status_code, answer.json()["classification"]) == (200, "confidential")
    event = AuditEvent.objects.get(action="connection.update")
    assert (event.before["classification"], event.after["classification"]) == (
        "internal",
        "confidential",
    )
    for method, path, body in (("PATCH", SHOP, {}), ("POST", ALL, {**BODY, "name": "other"})):
        answer = send(marie, method, path, {**body, "classification": "secret"})
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/classification")


def test_the_secret_is_nowhere_in_answers_the_database_the_trail_or_the_log(marie, caplog):
    caplog.set_level(logging.DEBUG)
    answers = [
        send(marie, "POST", ALL, BODY, **{"Idempotency-Key": "once"}),
        send(marie, "POST", ALL, BODY, **{"Idempotency-Key": "once"}),
        marie.get(ALL),
        marie.get(SHOP),
        send(marie, "PATCH", SHOP, {"secret": SECRET, "description": "x"}),
        send(marie, "POST", f"{SHOP}/test"),
        marie.get("/api/v1/audit"),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200, 200, 200, 200]
    assert all(SECRET not in answer.content.decode() for answer in answers)
    kept = (Connection, AuditEvent, IdempotencyRecord)
    assert all(SECRET not in str(list(model.objects.values())) for model in kept)
    assert SECRET not in caplog.text
    assert all(SECRET not in str(query) for query in database.queries)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "a b"}, "/name"),
        ({"driver": "oracle"}, "/driver"),
        ({"address": "shop"}, "/address"),
        ({"address": "postgresql://u:p@h/d"}, "/address"),
        ({"secret": 5}, "/secret"),
        ({"secret": "x" * 1001}, "/secret"),
        ({"allows_reading": "yes"}, "/allows_reading"),
        ({"password": "x"}, "/password"),
        ({"driver": "sqlite", "address": "/etc/passwd", "secret": ""}, "/address"),
    ],
)
def test_a_wrong_connection_names_the_field(marie, change, pointer):
    answer = send(marie, "POST", ALL, BODY | change)
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert not Connection.objects.exists()


def test_names_are_taken_once_ignoring_case(marie, shop):
    answer = send(marie, "POST", ALL, BODY | {"name": "SHOP"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name-taken")


def test_only_a_manager_of_everything_makes_connections():
    for who in (people.owner(), people.approver()):
        assert send(who.client(), "POST", ALL, BODY).status_code == 403
    assert send(people.stranger().client(), "POST", ALL, BODY).status_code == 403


def test_a_stranger_sees_none_and_a_viewer_changes_none(shop):
    sam = people.stranger()
    client = sam.client()
    assert client.get(ALL).json()["count"] == 0
    for method, path in (
        ("GET", SHOP),
        ("PATCH", SHOP),
        ("DELETE", SHOP),
        ("POST", f"{SHOP}/test"),
    ):
        answer = send(client, method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "connection-not-found")
    give(sam, shop, "viewer")
    client = sam.client()
    assert client.get(SHOP).status_code == 200
    for method, path in (("PATCH", SHOP), ("DELETE", SHOP), ("POST", f"{SHOP}/test")):
        assert send(client, method, path).status_code == 403


def test_who_may_use_it_is_granted_by_its_manager(marie, shop):
    tariq = people.team_mate()
    answer = send(marie, "PUT", f"{SHOP}/grants/tariq", {"role": "scorer"})
    assert (answer.status_code, answer.json()["role"]) == (200, "scorer")
    assert marie.get(f"{SHOP}/grants").json()["count"] == 2
    assert send(tariq.client(), "POST", f"{SHOP}/test").status_code == 200
    assert send(marie, "DELETE", f"{SHOP}/grants/tariq").status_code == 204
    assert send(tariq.session(), "GET", SHOP).status_code == 404


def test_trying_a_connection_says_what_is_wrong(marie, shop):
    body = send(marie, "POST", f"{SHOP}/test").json()
    assert (body["ok"], body["code"]) == (False, "source-unavailable")
    assert "refused" in body["detail"]


def test_a_new_address_needs_the_secret_again(marie, shop):
    moved = {"address": "postgresql://reader@elsewhere/shop"}
    answer = send(marie, "PATCH", SHOP, moved)
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/secret")
    assert send(marie, "PATCH", SHOP, moved | {"secret": "new"}).status_code == 200
    shop.refresh_from_db()
    assert (shop.address, unseal(shop.sealed_secret)) == (moved["address"], "new")


def test_changes_are_in_the_trail(marie, shop):
    send(marie, "PATCH", SHOP, {"allows_writing": True, "enabled": False, "secret": ""})
    event = AuditEvent.objects.get(action="connection.update")
    assert event.before["allows_writing"] is False
    assert (event.after["allows_writing"], event.after["enabled"]) == (True, False)
    assert (event.after["secret"], event.after["has_secret"]) == ("removed", False)


def test_a_connection_that_was_used_is_disabled_and_not_removed(marie, shop):
    sources = {"source": {"connection": "shop", "query": "select 1 as a"}}
    answer = send(marie, "POST", "/api/v1/datasets", {"name": "orders", **sources})
    assert answer.status_code == 202, answer.json()
    assert send(marie, "DELETE", SHOP).status_code == 409
    assert send(marie, "PATCH", SHOP, {"enabled": False}).json()["enabled"] is False
    answer = send(marie, "POST", "/api/v1/datasets", {"name": "more", **sources})
    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    DatasetVersion.objects.update(source=None)
    assert send(marie, "DELETE", SHOP).status_code == 204
    assert marie.get(SHOP).status_code == 404


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ("select 1", "/source"),
        ({}, "/source/connection"),
        ({"connection": "shop"}, "/source/query"),
        ({"connection": "shop", "query": " ; "}, "/source/query"),
        ({"connection": "shop", "query": "select 1", "limit": 5}, "/source/limit"),
        ({"connection": "shop", "query": "select 1", "types": {"a": "money"}}, "/source/types/a"),
        ({"prefix": "blobs/"}, "/source/prefix"),
        ({"prefix": "inbox/../x"}, "/source/prefix"),
        ({"prefix": "inbox/x", "format": "xls"}, "/source/format"),
    ],
)
def test_a_wrong_source_names_the_field(marie, shop, source, pointer):
    answer = send(marie, "POST", "/api/v1/datasets", {"name": "orders", "source": source})
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert not DatasetVersion.objects.exists()


def test_a_source_needs_a_role_on_its_connection(shop):
    olga, sam = people.owner(), people.stranger()
    body = {"name": "orders", "source": {"connection": "shop", "query": "select 1 as a"}}
    assert send(sam.client(), "POST", "/api/v1/datasets", body).status_code == 404
    # Olga publishes everything, and that is not enough.
    assert olga.client().get(SHOP).status_code == 200
    assert send(olga.client(), "POST", "/api/v1/datasets", body).status_code == 403
    assert send(olga.client(), "POST", f"{SHOP}/test").status_code == 403
    give(olga, shop, "viewer")
    assert send(olga.client(), "POST", "/api/v1/datasets", body).status_code == 403
    Grant.objects.filter(user=olga.user).update(role="scorer")
    answer = send(olga.client(), "POST", "/api/v1/datasets", body)
    assert (answer.status_code, answer.json()["format"]) == (202, "sql")
    assert DatasetVersion.objects.get().source["query"] == "select 1 as a"
