"""Model cards: what is read of one, what is missing, and that a guarded alias waits for it."""

from __future__ import annotations

import pytest

from registry import cards
from registry.errors import InvalidField
from registry.models import ApprovalRequest, AuditEvent, RegisteredModel
from tests import people, things
from tests.cards import CARD

MODEL = "/api/v1/models/churn"


@pytest.mark.parametrize(
    ("sent", "pointer", "words"),
    [
        ("text", "/card", "An object"),
        ({"limit": "x"}, "/card/limit", "did you mean “limits”"),
        ({"a/b~c": "x"}, "/card/a~1b~0c", "known are intended_use"),
        ({"limits": 5}, "/card/limits", "A text"),
        ({"limits": None}, "/card/limits", "A text"),
        ({"limits": "x" * 10_001}, "/card/limits", "at most 10,000"),
        ({"limits": "a\0b"}, "/card/limits", "at most 10,000"),
        ({"risk_rating": "dire"}, "/card/risk_rating", "One of low, medium, high, critical"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(sent: object, pointer: str, words: str) -> None:
    with pytest.raises(InvalidField) as refused:
        cards.read_card(sent)
    assert refused.value.pointer == pointer
    assert words in refused.value.detail


def test_what_is_sent_joins_what_was_there_and_an_empty_text_takes_it_away() -> None:
    card = cards.merged({}, cards.read_card({"owner": "Ada", "limits": "Abroad."}))
    card = cards.merged(card, cards.read_card({"owner": " \n", "data": "Contracts."}))
    assert card == {"data": "Contracts.", "limits": "Abroad."}
    assert list(card) == ["data", "limits"]


def test_every_field_is_needed_and_the_missing_ones_come_in_order() -> None:
    assert cards.missing({}) == [field.name for field in cards.FIELDS]
    assert cards.missing({**CARD, "limits": " "}) == ["limits"]
    assert cards.missing(CARD) == []


@pytest.fixture
def owner(db):
    return people.owner()


@pytest.fixture
def client(owner):
    things.a_version(things.a_model(owner), owner)
    return owner.client()


def patch(client, body):
    return client.patch(MODEL, body, content_type="application/json")


def test_the_card_of_a_model_is_patched_field_by_field(client):
    first = patch(client, {"card": {"owner": "Ada", "limits": "Abroad."}}).json()
    second = patch(client, {"card": {"limits": "", "data": "Contracts."}}).json()

    assert first["card"] == {"limits": "Abroad.", "owner": "Ada"}
    assert second["card"] == {"data": "Contracts.", "owner": "Ada"}
    assert second["card_missing"] == ["intended_use", "metrics", "limits", "risk_rating"]
    event = AuditEvent.objects.filter(action="model.update").latest("id")
    assert (event.before["card"], event.after["card"]) == (first["card"], second["card"])


def test_a_bad_field_changes_nothing_and_is_pointed_at(client):
    answer = patch(client, {"description": "new", "card": {"risk_rating": "dire"}})

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/card/risk_rating")
    assert RegisteredModel.objects.get().description == ""


def test_who_may_not_publish_does_not_write_the_card(client):
    mate = people.team_mate(RegisteredModel.objects.get()).client()

    assert patch(mate, {"card": {"owner": "Tariq"}}).status_code == 403


def require_cards(settings):
    settings.MODELYARD = {**settings.MODELYARD, "MODEL_CARD_POLICY": "require"}


def test_a_guarded_alias_can_be_asked_for_and_the_reviewer_sees_what_the_card_lacks(client):
    patch(client, {"approval_required": True, "card": {**CARD, "limits": "", "data": ""}})

    answer = client.put(
        f"{MODEL}/aliases/champion", {"version": 1}, content_type="application/json"
    )

    assert answer.status_code == 202
    assert answer.json()["evidence"]["card"]["missing"] == ["data", "limits"]


def test_a_guarded_alias_is_asked_for_once_the_card_says_all(client, settings):
    require_cards(settings)
    patch(client, {"approval_required": True, "card": {**CARD, "limits": "", "data": ""}})
    ask = {"path": f"{MODEL}/aliases/champion", "data": {"version": 1}}

    early = client.put(**ask, content_type="application/json")
    patch(client, {"card": CARD})
    late = client.put(**ask, content_type="application/json")

    assert (early.status_code, early.json()["code"]) == (422, "card-incomplete")
    assert early.json()["missing"] == ["data", "limits"]
    assert "data, limits" in early.json()["detail"]
    assert late.status_code == 202


def test_a_card_that_was_emptied_since_cannot_be_approved(client, settings):
    require_cards(settings)
    patch(client, {"approval_required": True, "card": CARD})
    client.put(f"{MODEL}/aliases/champion", {"version": 1}, content_type="application/json")
    patch(client, {"card": {"limits": ""}})
    request = ApprovalRequest.objects.get()

    answer = (
        people.approver()
        .client()
        .post(
            f"/api/v1/approvals/{request.pk}/approve",
            {"reason": "ok"},
            content_type="application/json",
        )
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert "limits" in answer.json()["detail"]


def test_an_unguarded_alias_needs_no_card(client):
    answer = client.put(
        f"{MODEL}/aliases/champion", {"version": 1}, content_type="application/json"
    )
    assert answer.status_code == 200
