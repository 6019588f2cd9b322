"""One error shape, against every route that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from registry import errors
from registry.api import urls as registry_urls
from tests import people, things

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ID = "0198a000-0000-7000-8000-000000000000"
VALUES = {"name": "churn", "number": "1", "alias": "champion", "user": "olga", "kind": "version"}


def codes(kind: type[errors.DomainError] = errors.DomainError) -> Iterator[str]:
    yield kind.code
    for child in kind.__subclasses__():
        yield from codes(child)


def routes(patterns, prefix: str = "") -> Iterator[str]:
    """The paths of all routes below ``/api/v1``, with values in the place of parameters."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/v1/"):
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda m: VALUES.get(m[1], ID), route)


ALL = sorted(set(routes(get_resolver().url_patterns)))
OURS = sorted(set(routes(registry_urls.urlpatterns, "api/v1/")))
KNOWN_CODES = set(codes())


def ask(client: Client, method: str, path: str, **options):
    return client.generic(method, path, b"", **options)


def assert_problem(answer, where):
    assert answer["Content-Type"] == "application/problem+json", where
    body = answer.json()
    assert {"type", "title", "status", "code", "detail", "instance"} <= body.keys(), where
    assert body["status"] == answer.status_code, where
    assert body["code"] in KNOWN_CODES, where
    assert body["type"].endswith(f"/docs/errors#{body['code']}"), where
    assert body["instance"] == answer["X-Request-Id"], where
    assert answer.status_code < 500, where


def test_there_are_routes_to_walk():
    assert len(OURS) >= 30


def test_every_refusal_has_the_one_shape():
    owner = people.owner()
    client, nobody = owner.client(), Client(raise_request_exception=False)
    for path in ALL:
        calls = [(client, method) for method in METHODS] + [(nobody, "GET")]
        for who, method in calls:
            answer = ask(who, method, path)
            if answer.streaming:
                b"".join(answer.streaming_content)
            elif answer.status_code >= 400:
                assert_problem(answer, (method, path))


def test_every_route_of_the_registry_asks_who_is_there():
    for path in OURS:
        answer = ask(Client(), "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), path
        assert "WWW-Authenticate" in answer, path


def test_a_method_that_a_resource_lacks_is_405_with_allow():
    client = people.owner().client()
    for path in OURS:
        answer = ask(client, "TRACE", path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed"), path
        assert answer["Allow"], path


def is_file(path: str) -> bool:
    """What it answers with has a type of its own, whatever is asked for."""
    return any(word in path for word in ("download", "artifact", "export"))


def test_an_answer_that_nobody_can_write_is_406():
    client = people.owner().client()
    for path in OURS:
        answer = ask(client, "GET", path, headers={"Accept": "image/png"})
        assert answer.status_code in (405, 406) or is_file(path), path


def test_a_path_with_a_slash_at_its_end_is_404_and_no_redirect():
    answer = people.owner().client().get("/api/v1/models/")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_what_is_not_there_is_404_below_the_api():
    answer = people.owner().client().get("/api/v1/planets")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def world(owner):
    dataset = things.a_dataset_version(owner, "churn")
    model = things.a_model(owner, "churn", approval_required=True)
    version = things.a_version(model, owner)
    session = owner.session()
    session.put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )
    (request,) = session.get("/api/v1/approvals").json()["results"]
    key, _ = owner.key()
    return model, version, dataset, request["id"], key


def doors(version, dataset, request_id, key) -> list[tuple[str, str, object]]:
    """Every door to one object: method, path, body."""
    model = "/api/v1/models/churn"
    data = "/api/v1/datasets/churn"
    reason = {"reason": "x"}
    found: list[tuple[str, str, object]] = [
        ("GET", model, None),
        ("PATCH", model, {"description": "x"}),
        ("GET", f"{model}/versions", None),
        ("POST", f"{model}/versions", {"from_version": 1, "signature": things.SIGNATURE}),
        ("GET", f"{model}/versions/1", None),
        ("PATCH", f"{model}/versions/1", {"description": "x"}),
        ("GET", f"{model}/versions/1/artifact", None),
        ("POST", f"{model}/versions/1/archive", None),
        ("GET", f"{model}/aliases", None),
        ("GET", f"{model}/aliases/champion", None),
        ("PUT", f"{model}/aliases/champion", {"version": 1}),
        ("DELETE", f"{model}/aliases/champion", None),
        ("GET", f"{model}/aliases/champion/history", None),
        ("POST", f"{model}/archive", None),
        ("POST", f"{model}/unarchive", None),
        ("GET", f"{model}/grants", None),
        ("GET", f"{model}/grants/olga", None),
        ("PUT", f"{model}/grants/olga", {"role": "viewer"}),
        ("DELETE", f"{model}/grants/olga", None),
        ("GET", f"/api/v1/approvals/{request_id}", None),
        ("POST", f"/api/v1/approvals/{request_id}/approve", reason),
        ("POST", f"/api/v1/approvals/{request_id}/reject", reason),
        ("GET", data, None),
        ("PATCH", data, {"description": "x"}),
        ("GET", f"{data}/download", None),
        ("GET", f"{data}/versions", None),
        ("GET", f"{data}/versions/1", None),
        ("GET", f"{data}/versions/1/download", None),
        ("GET", f"{data}/grants", None),
        ("GET", f"{data}/grants/olga", None),
        ("PUT", f"{data}/grants/olga", {"role": "viewer"}),
        ("DELETE", f"{data}/grants/olga", None),
        ("GET", f"/api/v1/api-keys/{key.pk}", None),
        ("POST", f"/api/v1/api-keys/{key.pk}/rotate", None),
        ("POST", f"/api/v1/api-keys/{key.pk}/revoke", None),
        ("GET", f"/api/v1/lineage/version/{version.pk}", None),
        ("GET", f"/api/v1/lineage/dataset-version/{dataset.pk}", None),
    ]
    return found


def knock(client, method, path, body):
    answer = client.generic(
        method, path, b"" if body is None else _json(body), content_type="application/json"
    )
    if answer.streaming:
        b"".join(answer.streaming_content)
    return answer


def _json(body: object) -> bytes:
    import json

    return json.dumps(body).encode()


def test_for_a_stranger_nothing_exists():
    _, version, dataset, request_id, key = world(people.owner())
    sam = people.stranger().session()
    for method, path, body in doors(version, dataset, request_id, key):
        answer = knock(sam, method, path, body)
        assert answer.status_code == 404, (method, path, answer.content)
    for path in ("models", "datasets", "approvals", "api-keys"):
        assert sam.get(f"/api/v1/{path}").json()["count"] == 0, path


def test_a_team_mate_who_scores_looks_at_everything_and_changes_nothing():
    model, version, dataset, request_id, key = world(people.owner())
    tariq = people.team_mate(model, dataset.dataset).client()
    for method, path, body in doors(version, dataset, request_id, key):
        answer = knock(tariq, method, path, body)
        if "/api-keys/" in path:
            assert answer.status_code == 404, (method, path)
        elif method != "GET" or "/grants" in path:
            assert answer.status_code == 403, (method, path, answer.content)
        else:
            assert answer.status_code in (200, 404), (method, path, answer.content)
            assert answer.status_code == 200 or "aliases/champion" in path, (method, path)


def test_a_publisher_of_other_things_does_not_see_what_is_not_theirs():
    _, version, dataset, request_id, key = world(people.owner())
    other = people.person("otto")
    people.grant(other, things.a_model(people.manager(), "own"), "manager")
    client = other.client()
    for method, path, body in doors(version, dataset, request_id, key):
        assert knock(client, method, path, body).status_code == 404, (method, path)
