"""``?expand=``: neighbours in place, at most three hops, and nothing that may not be seen."""

from __future__ import annotations

import pytest

from registry.models import RegisteredModel
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    owner = people.owner()
    dataset = things.a_dataset_version(owner)
    model = things.a_model(owner)
    things.a_version(model, owner, training_dataset=dataset)
    things.a_version(model, owner, seed="two")
    owner.session().put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )
    return owner


def test_a_neighbour_stands_whole_in_its_place(owner):
    body = owner.client().get("/api/v1/models/churn/versions/1?expand=model").json()

    assert body["model"]["name"] == "churn"
    assert body["model"]["url"] == body["links"]["model"]


def test_three_hops_are_walked_in_one_call(owner):
    path = "/api/v1/models/churn?expand=champion.training_dataset.dataset,versions.aliases"

    body = owner.client().get(path).json()

    assert body["champion"]["training_dataset"]["dataset"]["name"] == "customers"
    assert [v["number"] for v in body["versions"]] == [2, 1]
    assert [a["name"] for a in body["versions"][1]["aliases"]] == ["champion"]


def test_every_neighbour_of_every_kind_can_be_expanded(owner):
    from registry.api.kinds import KINDS

    paths = {
        "model": "/api/v1/models",
        "version": "/api/v1/models/churn/versions",
        "alias": "/api/v1/models/churn/aliases",
        "approval": "/api/v1/approvals",
        "dataset": "/api/v1/datasets",
        "dataset-version": "/api/v1/datasets/customers/versions",
    }
    client = owner.client()
    for kind, path in paths.items():
        for name in KINDS[kind].edges:
            answer = client.get(f"{path}?expand={name}")
            assert answer.status_code == 200, (kind, name, answer.content)
            for row in answer.json()["results"]:
                assert not isinstance(row[name], str | int), (kind, name)


def test_what_may_not_be_seen_is_not_expanded(owner):
    mate = people.team_mate(RegisteredModel.objects.get()).client()

    body = mate.get("/api/v1/models/churn/versions/1?expand=training_dataset").json()

    assert (body["training_dataset"], body["links"]["training_dataset"]) == (None, None)


def test_too_many_objects_in_place_are_refused(owner, monkeypatch):
    monkeypatch.setattr("registry.api.sight.EXPANDED_MAX", 1)

    answer = owner.client().get("/api/v1/models/churn?expand=versions")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_a_fourth_hop_is_refused(owner):
    answer = owner.client().get("/api/v1/models?expand=versions.model.versions.model")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_every_link_of_every_object_leads_somewhere(owner):
    client, seen, waiting = owner.client(), set(), ["http://testserver/api/v1/me"]
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        if url.endswith(("/rotate", "/revoke")):
            continue
        answer = client.get(url)
        assert answer.status_code == 200, (url, answer.content)
        if answer.streaming:
            b"".join(answer.streaming_content)
            continue
        body = answer.json()
        for row in body.get("results", [body]):
            waiting += [link for link in (row.get("links") or {}).values() if link]
            waiting += [row["url"]] if "url" in row else []
    assert len(seen) > 20


def test_lineage_is_walked_step_by_step(owner):
    client = owner.client()
    version = client.get("/api/v1/models/churn/versions/1").json()

    step = client.get(version["links"]["lineage"]).json()

    assert [(s["relation"], s["name"]) for s in step["parents"]] == [
        ("version of", "churn"),
        ("trained on", "customers@1"),
    ]
    back = client.get(step["parents"][1]["lineage"]).json()
    assert [(s["relation"], s["name"]) for s in back["children"]] == [
        ("trained", "churn version 1")
    ]


def test_lineage_hides_what_may_not_be_seen(owner):
    mate = people.team_mate(RegisteredModel.objects.get()).client()
    version = mate.get("/api/v1/models/churn/versions/1").json()

    step = mate.get(version["links"]["lineage"]).json()

    assert [s["relation"] for s in step["parents"]] == ["version of"]
    assert mate.get(f"/api/v1/lineage/dataset/{version['id']}").status_code == 404
    assert mate.get(f"/api/v1/lineage/planet/{version['id']}").status_code == 404
