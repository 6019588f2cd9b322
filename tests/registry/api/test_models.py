"""Models over REST: making, listing, changing, and what is refused."""

from __future__ import annotations

import pytest

from registry.models import AuditEvent, RegisteredModel
from tests import people, things

pytestmark = pytest.mark.django_db


def post(client, path, body, **headers):
    return client.post(f"/api/v1{path}", body, content_type="application/json", headers=headers)


def patch(client, path, body):
    return client.patch(f"/api/v1{path}", body, content_type="application/json")


def test_a_made_model_has_its_url_its_links_and_its_maker_as_owner():
    client = people.owner().client()

    answer = post(client, "/models", {"name": "churn", "tags": {"team": "crm"}})

    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"] == body["url"] == "http://testserver/api/v1/models/churn"
    assert body["links"]["versions"] == "http://testserver/api/v1/models/churn/versions"
    assert (body["owner"], body["tags"], body["latest_version"]) == ("olga", {"team": "crm"}, None)
    assert client.get("/api/v1/models/churn").json() == body


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "-churn"}, "/name"),
        ({"name": "x" * 64}, "/name"),
        ({"name": "churn", "approval_required": "true"}, "/approval_required"),
        ({"name": "churn", "approval_required": 1}, "/approval_required"),
        ({"name": "churn", "tags": {"a": 1}}, "/tags/a"),
        ({"name": "churn", "tags": ["a"]}, "/tags"),
        ({"name": "churn", "kind": "experiment"}, "/kind"),
        ({"name": "churn", "classification": "secret"}, "/classification"),
        ({"name": "churn", "description": 5}, "/description"),
        ({"name": "churn", "discription": "x"}, "/discription"),
        ([], ""),
    ],
)
def test_a_wrong_field_is_named_by_a_pointer_and_nothing_is_made(body, pointer):
    answer = post(people.owner().client(), "/models", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    assert answer.json()["pointer"] == pointer
    assert not RegisteredModel.objects.exists()


def test_an_unknown_field_names_the_nearest_known_one():
    answer = post(people.owner().client(), "/models", {"name": "churn", "discription": "x"})

    assert "“description”" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", ['{"name": "a", "name": "b"}', '{"name": NaN}', "{", "[" * 40 + "]" * 40, '"\\ud800"']
)
def test_json_that_is_not_strict_is_400(body):
    answer = people.owner().client().post("/api/v1/models", body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-body")


def test_other_media_types_are_415_with_what_is_taken():
    answer = people.owner().client().post("/api/v1/models", "name=a", content_type="text/plain")

    assert (answer.status_code, answer.json()["accepted"]) == (415, ["application/json"])


def test_a_json_body_over_the_cap_is_413_with_the_limit(settings):
    settings.MODELYARD = settings.MODELYARD | {"MAX_BODY_BYTES": 100}

    answer = post(people.owner().client(), "/models", {"name": "churn", "description": "x" * 200})

    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 100)


def test_a_name_is_taken_whatever_its_case_also_for_who_does_not_see_it():
    things.a_model(people.owner(), "churn")
    other = people.person("otto", role="publisher").client()

    answer = post(other, "/models", {"name": "CHURN"})

    assert (answer.status_code, answer.json()["code"]) == (409, "name-taken")


def test_a_scorer_cannot_make_a_model_and_neither_can_a_key_without_the_scope():
    scorer = people.person("sid", role="scorer").client()
    narrow = people.owner().client(scopes=["read", "score"])

    assert post(scorer, "/models", {"name": "a"}).status_code == 403
    assert post(narrow, "/models", {"name": "a"}).status_code == 403


def test_a_change_keeps_what_is_not_sent_and_is_audited():
    owner = people.owner()
    things.a_model(owner, "churn", description="old", tags={"a": "b"})

    answer = patch(owner.client(), "/models/churn", {"description": "new"})

    assert (answer.status_code, answer.json()["description"]) == (200, "new")
    assert answer.json()["tags"] == {"a": "b"}
    event = AuditEvent.objects.get(action="model.update")
    assert (event.before, event.after) == ({"description": "old"}, {"description": "new"})


@pytest.mark.parametrize("field", ["name", "kind", "owner"])
def test_what_never_changes_is_refused_in_a_change(field):
    owner = people.owner()
    things.a_model(owner, "churn")

    answer = patch(owner.client(), "/models/churn", {field: "x"})

    assert (answer.status_code, answer.json()["pointer"]) == (422, f"/{field}")


def test_the_approval_rule_needs_the_role_manager():
    owner = people.owner()
    model = things.a_model(owner, "churn")
    mate = people.team_mate(model, role="publisher").client()

    assert patch(mate, "/models/churn", {"description": "x"}).status_code == 200
    assert patch(mate, "/models/churn", {"approval_required": True}).status_code == 403


def test_names_of_paths_ignore_case_and_strange_ones_are_404():
    owner = people.owner()
    things.a_model(owner, "churn")
    client = owner.client()

    assert client.get("/api/v1/models/CHURN").json()["name"] == "churn"
    for name in ("nope", "a b", "%00", "churn@champion", "é", "x" * 300):
        answer = client.get(f"/api/v1/models/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "model-not-found"), name
