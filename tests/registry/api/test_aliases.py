"""Aliases over REST: moving, asking, taking away, and every move that was made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from registry.models import AliasChange
from tests import people, things

pytestmark = pytest.mark.django_db

ALIASES = "/api/v1/models/churn/aliases"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def model(owner):
    model = things.a_model(owner)
    things.a_version(model, owner)
    things.a_version(model, owner, seed="two")
    return model


def move(client, alias="champion", **body):
    return client.put(f"{ALIASES}/{alias}", {"version": 1} | body, content_type="application/json")


def test_a_move_answers_with_the_alias_and_is_found_again(owner, model):
    client = owner.client()

    answer = move(client, reason="better")

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["version"]) == ("champion", 1)
    assert answer.json()["links"]["version"].endswith("/models/churn/versions/1")
    assert client.get(f"{ALIASES}/champion").json() == answer.json()
    assert things.listed(client.get(ALIASES).json()) == ["champion"]
    assert client.get("/api/v1/models/churn").json()["aliases"] == {"champion": 1}


@pytest.mark.parametrize("alias", ["latest", "v3", "Champion", "1st", "a b", "x" * 64])
def test_a_name_that_is_no_alias_is_refused(owner, model, alias):
    answer = move(owner.client(), alias)

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/alias")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("pending", "version-not-ready"),
        ("checking", "version-not-ready"),
        ("quarantined", "version-not-ready"),
        ("rejected", "version-not-servable"),
        ("archived", "version-not-servable"),
    ],
)
def test_an_alias_points_only_to_what_is_ready(owner, model, status, code):
    things.a_version(model, owner, status=status, seed="three")

    answer = move(owner.client(), version=3)

    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_an_unknown_version_is_404_and_a_wrong_type_is_422(owner, model):
    client = owner.client()

    assert move(client, version=9).json()["code"] == "version-not-found"
    assert move(client, version="1").json()["pointer"] == "/version"


def test_a_guarded_move_waits_for_somebody_else(owner, model):
    owner.client().patch(
        "/api/v1/models/churn",
        {"approval_required": True, "card": things.CARD},
        content_type="application/json",
    )

    asked = move(owner.client(), reason="please")
    again = move(owner.client())

    assert asked.status_code == 202
    assert asked["Location"] == asked.json()["url"]
    assert (asked.json()["state"], asked.json()["alias"]) == ("pending", "champion")
    assert asked.json()["request_reason"] == "please"
    assert (again.status_code, again.json()["code"]) == (409, "state-conflict")
    assert owner.client().get(f"{ALIASES}/champion").status_code == 404


def test_the_history_has_every_move_newest_first(owner, model):
    client = owner.client()
    move(client, version=1, reason="first")
    move(client, version=2, reason="better")
    assert client.delete(f"{ALIASES}/champion?reason=over").status_code == 204

    moves = client.get(f"{ALIASES}/champion/history").json()["results"]

    assert [(m["from"], m["to"], m["by"], m["reason"]) for m in moves] == [
        (2, None, "olga", "over"),
        (1, 2, "olga", "better"),
        (None, 1, "olga", "first"),
    ]


def test_at_answers_with_the_move_that_was_in_force_then(owner, model):
    client = owner.client()
    for day, number in ((1, 1), (3, 2)):
        move(client, version=number)
        moved = AliasChange.objects.get(to_version__number=number)
        AliasChange.objects.filter(pk=moved.pk).update(at=datetime(2026, 1, day, tzinfo=UTC))

    def at(moment):
        return client.get(f"{ALIASES}/champion/history", {"at": moment}).json()

    assert things.listed(at("2026-01-02T00:00:00Z"), "to") == [1]
    assert things.listed(at("2026-01-03T01:00:00+01:00"), "to") == [2]
    assert at("2025-12-31T00:00:00Z")["results"] == []
    assert at("2026-01-02")["code"] == at("yesterday")["code"] == "malformed-parameter"


def test_what_never_was_an_alias_is_404(owner, model):
    client = owner.client()

    for path in ("nope", "nope/history"):
        assert client.get(f"{ALIASES}/{path}").json()["code"] == "alias-not-found"
    assert client.delete(f"{ALIASES}/nope").json()["code"] == "alias-not-found"


def test_a_scorer_looks_and_does_not_move(owner, model):
    mate = people.team_mate(model).client()

    assert move(mate).status_code == 403
    assert mate.delete(f"{ALIASES}/champion").status_code == 403
    assert mate.get(ALIASES).status_code == 200
