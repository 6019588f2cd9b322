"""Stories: keys, their scopes, models and ends; grants; what one may not see is not there."""

from __future__ import annotations

import httpx
import pytest

from tests.flows.conftest import People
from tests.flows.stories import ok, problem, refused_field, send_dataset
from tests.services.stack import Stack

NONE = {"instances": []}


def test_without_a_good_key_nothing_is_told(live_stack: Stack, people: People) -> None:
    root = f"{live_stack.url}/api/v1"
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"},
                    {"Authorization": f"Bearer my_abcdefgh_{'x' * 43}"}):  # fmt: skip
        refused = httpx.get(f"{root}/models", headers=headers)
        problem(refused, 401, "not-authenticated")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    problem(people.expired.get("/models"), 401, "key-expired")
    problem(people.expired.post("/models/story/predict", json=NONE), 401, "key-expired")


def test_a_key_is_made_rotated_and_revoked_and_its_text_is_shown_once(
    people: People, olga: httpx.Client
) -> None:
    made = ok(olga.post("/api-keys", json={"name": "ci"}), 201)
    assert made["scopes"] == ["read", "score"]
    assert made["key"].startswith(made["prefix"])
    assert "key" not in ok(olga.get(made["url"]))
    with_first = people.holding(made["key"])
    ok(with_first.get("/me"))

    rotated = ok(olga.post(f"{made['url']}/rotate"), 201)

    assert (rotated["name"], rotated["scopes"]) == ("ci", ["read", "score"])
    problem(with_first.get("/me"), 401, "key-expired")
    with_second = people.holding(rotated["key"])
    ok(with_second.get("/me"))
    assert ok(olga.post(f"{rotated['url']}/revoke"))["revoked_at"]
    problem(with_second.get("/me"), 401, "key-expired")
    problem(olga.post(f"{rotated['url']}/rotate"), 409, "state-conflict")
    # Somebody else's key is not there; a manager of everything sees it.
    problem(people.anna.get(rotated["url"]), 404, "not-found")
    ok(people.marie.get(rotated["url"]))


def test_a_key_reaches_as_far_as_its_scopes(people: People, model: str) -> None:
    made = ok(people.olga.post("/api-keys", json={"name": "look", "scopes": ["read"]}), 201)
    looking = people.holding(made["key"])

    ok(looking.get(f"/models/{model}"))
    problem(looking.post(f"/models/{model}/predict", json=NONE), 403, "not-allowed")
    problem(looking.post("/models", json={"name": "key-made"}), 403, "not-allowed")
    problem(looking.put(f"/models/{model}/aliases/a", json={"version": 1}), 403, "not-allowed")


def test_a_key_for_some_models_sees_no_others(people: People, model: str) -> None:
    ok(people.olga.post("/models", json={"name": "key-other"}), 201)
    body = {"name": "one model", "scopes": ["read", "score"], "models": [model]}
    made = ok(people.olga.post("/api-keys", json=body), 201)
    assert made["models"] == [model]
    limited = people.holding(made["key"])

    assert [m["name"] for m in ok(limited.get("/models"))["results"]] == [model]
    ok(limited.post(f"/models/{model}/predict", json=NONE))
    problem(limited.get("/models/key-other"), 404, "model-not-found")
    problem(limited.post("/models/key-other/predict", json=NONE), 404, "model-not-found")
    # It makes no key that reaches further than itself.
    wider = limited.post("/api-keys", json={"name": "wider", "scopes": ["read"]})
    problem(wider, 403, "not-allowed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "scopes": ["everything"]}, "/scopes"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "models": ["nowhere"]}, "/models"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "x", "expires_at": "2040-01-01T00:00:00"}, "/expires_at"),
        ({"name": ""}, "/name"),
        ({}, "/name"),
    ],
)
def test_what_is_wrong_with_a_key_is_pointed_at(
    olga: httpx.Client, body: dict[str, object], pointer: str
) -> None:
    refused_field(olga.post("/api-keys", json=body), pointer)


def test_a_scope_that_the_user_holds_nowhere_is_refused(people: People) -> None:
    body = {"name": "x", "user": "tariq", "scopes": ["read"]}

    refused_field(people.marie.post("/api-keys", json=body), "/scopes")
    problem(people.olga.post("/api-keys", json=body), 403, "not-allowed")


def test_a_grant_opens_one_model_and_its_end_closes_it(people: People, model: str) -> None:
    marie = people.marie
    ok(people.olga.post("/models", json={"name": "grant-other"}), 201)
    grant = f"/models/{model}/grants/tariq"
    assert ok(marie.put(grant, json={"role": "scorer"}))["role"] == "scorer"
    body = {"name": "t", "user": "tariq", "scopes": ["read", "score"]}
    tariq = people.holding(ok(marie.post("/api-keys", json=body), 201)["key"])

    assert [m["name"] for m in ok(tariq.get("/models"))["results"]] == [model]
    ok(tariq.post(f"/models/{model}/predict", json=NONE))
    upload = tariq.post(f"/models/{model}/versions", files={"artifact": ("m", b"x")})
    problem(upload, 403, "not-allowed")
    problem(tariq.get(f"/models/{model}/grants"), 403, "not-allowed")
    problem(tariq.get("/models/grant-other"), 404, "model-not-found")
    problem(tariq.post("/models", json={"name": "grant-other"}), 403, "not-allowed")
    assert marie.delete(grant).status_code == 204
    problem(tariq.get(f"/models/{model}"), 404, "model-not-found")
    problem(tariq.post(f"/models/{model}/predict", json=NONE), 404, "model-not-found")
    problem(marie.delete(grant), 404, "not-found")


def test_grants_on_datasets_work_alike(people: People, rows: str) -> None:
    marie, grant = people.marie, f"/datasets/{rows}/grants/sam"
    ok(marie.put(grant, json={"role": "viewer"}))
    body = {"name": "s", "user": "sam", "scopes": ["read"]}
    sam = people.holding(ok(marie.post("/api-keys", json=body), 201)["key"])

    ok(sam.get(f"/datasets/{rows}"))
    assert sam.get(f"/datasets/{rows}/download").status_code == 200
    problem(sam.get("/datasets/penguins-rows"), 404, "dataset-not-found")
    problem(send_dataset(sam, rows, b"a\n1\n"), 403, "not-allowed")
    assert marie.delete(grant).status_code == 204
    problem(sam.get(f"/datasets/{rows}"), 404, "dataset-not-found")


def test_a_role_or_user_that_there_is_not_is_refused(people: People, model: str) -> None:
    grants = f"/models/{model}/grants"

    refused_field(people.marie.put(f"{grants}/vera", json={"role": "king"}), "/role")
    problem(people.marie.put(f"{grants}/nobody", json={"role": "viewer"}), 404, "not-found")
    problem(people.olga.put(f"{grants}/vera", json={"role": "viewer"}), 403, "not-allowed")


def test_a_viewer_looks_and_does_nothing_else(people: People, model: str, rows: str) -> None:
    vera = people.vera

    ok(vera.get(f"/models/{model}"))
    problem(vera.post(f"/models/{model}/predict", json=NONE), 403, "not-allowed")
    problem(vera.get(f"/models/{model}/versions/1/artifact"), 403, "not-allowed")
    job = {"model": model, "dataset": rows}
    problem(vera.post("/batch-jobs", json=job), 403, "not-allowed")
    problem(vera.post("/models", json={"name": "by-vera"}), 403, "not-allowed")
    problem(send_dataset(vera, "by-vera", b"a\n1\n"), 403, "not-allowed")
    problem(vera.get("/audit"), 403, "not-allowed")
    problem(vera.get("/datasets/by-vera"), 404, "dataset-not-found")


def test_me_says_who_asks_and_the_audit_what_they_did(people: People) -> None:
    me = ok(people.olga.get("/me"))
    assert (me["username"], me["role"]) == ("olga", "publisher")
    assert me["scopes"] == ["read", "score", "publish"]
    made = people.olga.post(
        "/models", json={"name": "audited"}, headers={"X-Request-Id": "audit-me"}
    )
    ok(made, 201)

    found = ok(people.marie.get("/audit?request_id=audit-me&action=model.create"))["results"]

    assert [(e["actor"], e["object_name"]) for e in found] == [("olga", "audited")]
