"""Lists: pages, order, filters, strict parameters, and a number of queries that does not grow."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import Alias, Check, Grant, ModelVersion, RegisteredModel
from tests import people, things

pytestmark = pytest.mark.django_db

MODELS = "/api/v1/models"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def client(owner):
    for name in ("a", "b", "c"):
        things.a_model(owner, name)
    return owner.client()


def queries_of(client, path):
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return len(captured), answer.json()


def test_pages_are_counted_and_linked(client):
    first = client.get(f"{MODELS}?page_size=2").json()
    second = client.get(first["next"]).json()

    assert (first["count"], things.listed(first), first["previous"]) == (3, ["c", "b"], None)
    assert (things.listed(second), second["next"]) == (["a"], None)
    assert second["previous"] == f"http://testserver{MODELS}?page_size=2"


def test_a_page_size_over_the_cap_is_the_cap(client, monkeypatch):
    monkeypatch.setattr("registry.api.pagination.PageNumbers.max_page_size", 2)

    assert len(client.get(f"{MODELS}?page_size=1000").json()["results"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page_size=0",
        "page_size=all",
        "page=1&page=2",
        "tag=team",
        "tag=:x",
        "ordering=owner",
        "ordering=--name",
        "kind=experiment",
        "statsu=ready",
        "search=%00",
        "expand=nope",
        "expand=versions.model.versions.model",
    ],
)
def test_a_parameter_that_cannot_be_understood_is_400(client, query):
    answer = client.get(f"{MODELS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_an_empty_order_or_expansion_is_as_if_it_was_not_sent(client):
    assert things.listed(client.get(f"{MODELS}?ordering=&expand=").json()) == ["c", "b", "a"]


def test_a_page_that_is_not_there_is_404(client):
    assert client.get(f"{MODELS}?page=9").json()["code"] == "not-found"


def test_an_unknown_parameter_and_an_unknown_neighbour_name_the_known_ones(client):
    assert "search" in client.get(f"{MODELS}?serach=x").json()["detail"]
    assert "versions" in client.get(f"{MODELS}?expand=version").json()["detail"]


def test_order_and_search(client):
    assert things.listed(client.get(f"{MODELS}?ordering=name").json()) == ["a", "b", "c"]
    assert things.listed(client.get(f"{MODELS}?ordering=-name").json()) == ["c", "b", "a"]
    assert things.listed(client.get(f"{MODELS}?search=B").json()) == ["b"]
    assert client.get(f"{MODELS}?search=%25").json()["count"] == 0


@pytest.mark.parametrize(
    ("tags", "asked", "found"),
    [
        ({"team": "crm"}, "team:crm", 1),
        ({"team": "crm"}, "team:crm2", 0),
        ({"team": "crm"}, "tea:crm", 0),
        ({"2024": "x"}, "2024:x", 1),
        ({"a__b": "x"}, "a__b:x", 1),
        ({"a.b": "x:y"}, "a.b:x:y", 1),
        ({"a": "quote\"d'"}, "a:quote\"d'", 1),
        ({'q"': "1"}, 'q":1', 1),
        ({"é": "ü"}, "é:ü", 1),
        ({"empty": ""}, "empty:", 1),
        ({"n": "1"}, "n:1", 1),
    ],
)
def test_tags_of_any_characters_are_found(owner, client, tags, asked, found):
    things.a_model(owner, "tagged", tags=tags)

    assert client.get(MODELS, {"tag": asked}).json()["count"] == found


def test_several_tags_must_all_hold(owner, client):
    things.a_model(owner, "one", tags={"a": "1"})
    things.a_model(owner, "both", tags={"a": "1", "b": "2"})

    assert things.listed(client.get(f"{MODELS}?tag=a:1&tag=b:2").json()) == ["both"]


def many_versions(owner, model, count):
    first = things.a_version(model, owner)
    rows = [
        ModelVersion(
            model=model,
            number=n,
            format="pickle",
            artifact=first.artifact,
            runtime="sklearn",
            created_by=owner.user,
        )
        for n in range(2, count + 1)
    ]
    ModelVersion.objects.bulk_create(rows)
    Check.objects.bulk_create(Check(version=row, name="scan") for row in rows)
    Alias.objects.bulk_create(
        Alias(model=model, name=f"a{row.number}", version=row) for row in rows
    )
    RegisteredModel.objects.filter(pk=model.pk).update(next_number=count + 1)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models",
        "/api/v1/models/m0/versions",
        "/api/v1/models/m0/aliases",
        "/api/v1/models?expand=versions.aliases,latest_version.model,champion",
        "/api/v1/datasets?expand=versions",
        "/api/v1/datasets/d0/versions?expand=dataset.latest_version,children",
        "/api/v1/approvals",
        "/api/v1/api-keys",
        "/api/v1/models/m0/grants",
        "/api/v1/me",
    ],
)
def test_the_number_of_queries_does_not_grow_with_the_rows(owner, path):
    def grow(step, rows):
        for n in range(rows):
            things.a_model(owner, f"m{n}" if step == 0 else f"m{step}-{n}")
            version = things.a_dataset_version(
                owner, "d0", body=f"a\r\n{step}{n}\r\n".encode(), is_read=False
            )
            things.an_output(owner, version, f"out-{step}-{n}")
            owner.key()
            Grant.objects.create(
                user=people.person(f"u{step}-{n}").user,
                role="viewer",
                model=RegisteredModel.objects.get(name="m0"),
            )

    grow(0, 1)
    client = owner.session()
    many_versions(owner, RegisteredModel.objects.get(name="m0"), 3)
    few, _ = queries_of(client, path)
    grow(1, 6)
    many_versions(owner, things.a_model(owner, "more"), 12)

    many, _ = queries_of(client, path)

    assert many == few <= 25


def test_a_page_of_many_models_costs_as_few_queries_as_one_of_few(owner):
    models = [RegisteredModel(name=f"m{n}", owner=owner.user, next_number=5) for n in range(250)]
    RegisteredModel.objects.bulk_create(models)
    first = things.a_version(things.a_model(owner), owner)
    ModelVersion.objects.bulk_create(
        ModelVersion(
            model=model,
            number=n,
            format="pickle",
            artifact=first.artifact,
            runtime="sklearn",
            created_by=owner.user,
        )
        for model in models
        for n in range(1, 5)
    )
    client = owner.client()

    few, page = queries_of(client, f"{MODELS}?page_size=200")
    versions, _ = queries_of(client, f"{MODELS}/m7/versions")

    assert (page["count"], len(page["results"])) == (251, 200)
    assert max(few, versions) <= 9
