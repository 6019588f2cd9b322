"""Stories: aliases and their history, guarded models, and what a ref calls."""

from __future__ import annotations

import httpx
import pytest

from tests.cards import CARD
from tests.flows.conftest import People
from tests.flows.stories import ROW, ok, problem, refused_field, registered

BODY = {"instances": [ROW]}


def test_an_alias_moves_and_its_history_remembers_every_move(olga: httpx.Client) -> None:
    registered(olga, "alias-moves")
    registered(olga, "alias-moves")
    alias = "/models/alias-moves/aliases/challenger"

    placed = ok(olga.put(alias, json={"version": 1, "reason": "trial"}))
    assert (placed["name"], placed["version"]) == ("challenger", 1)
    ok(olga.put(alias, json={"version": 2}))
    assert olga.delete(alias, params={"reason": "done"}).status_code == 204

    problem(olga.get(alias), 404, "alias-not-found")
    problem(olga.delete(alias), 404, "alias-not-found")
    history = ok(olga.get(f"{alias}/history"))["results"]
    moves = [(m["from"], m["to"], m["by"], m["approved_by"], m["reason"]) for m in history]
    assert moves == [
        (2, None, "olga", None, "done"),
        (1, 2, "olga", None, ""),
        (None, 1, "olga", None, "trial"),
    ]
    # What stood at a moment is the newest move up to then.
    then = ok(olga.get(f"{alias}/history", params={"at": history[1]["at"]}))["results"]
    assert [m["to"] for m in then] == [2, 1] or [m["to"] for m in then] == [2]
    problem(olga.get(f"{alias}/history?at=yesterday"), 400, "malformed-parameter")
    problem(olga.get("/models/alias-moves/aliases/never/history"), 404, "alias-not-found")


@pytest.mark.parametrize("alias", ["latest", "v3", "Upper", "3", "a" * 64, "a.b"])
def test_what_is_no_alias_is_refused(olga: httpx.Client, model: str, alias: str) -> None:
    refused_field(olga.put(f"/models/{model}/aliases/{alias}", json={"version": 1}), "/alias")


@pytest.mark.parametrize("version", ["1", 1.5, True, None, 0, -1])
def test_an_alias_points_to_a_number(olga: httpx.Client, model: str, version: object) -> None:
    refused_field(olga.put(f"/models/{model}/aliases/a", json={"version": version}), "/version")


def test_an_alias_needs_a_version_that_there_is(olga: httpx.Client, model: str) -> None:
    missing = olga.put(f"/models/{model}/aliases/a", json={"version": 99})

    problem(missing, 404, "version-not-found")


def test_a_guarded_model_has_no_champion_until_somebody_else_approves(people: People) -> None:
    olga, anna = people.olga, people.anna
    guarded = {"name": "alias-guarded", "approval_required": True, "card": CARD}
    ok(olga.post("/models", json=guarded), 201)
    version = registered(olga, "alias-guarded")
    assert version["aliases"] == []
    problem(olga.post("/models/alias-guarded/predict", json=BODY), 409, "version-not-ready")

    alias = "/models/alias-guarded/aliases/champion"
    asked = olga.put(alias, json={"version": 1, "reason": "better"})

    request = ok(asked, 202)
    assert asked.headers["Location"] == request["url"]
    assert (request["subject"], request["alias"], request["state"]) == (
        "alias", "champion", "pending",
    )  # fmt: skip
    problem(olga.get(alias), 404, "alias-not-found")
    problem(olga.post(f"{request['url']}/approve", json={"reason": "me"}), 403, "not-allowed")
    ok(anna.post(f"{request['url']}/approve", json={"reason": "seen"}))
    assert ok(olga.get(alias))["version"] == 1
    [move] = ok(olga.get(f"{alias}/history"))["results"]
    assert (move["by"], move["approved_by"]) == ("olga", "anna")
    assert ok(olga.post("/models/alias-guarded/predict", json=BODY))["version"] == 1
    listed = ok(anna.get("/approvals?model=alias-guarded&subject=alias&state=approved"))
    assert [r["id"] for r in listed["results"]] == [request["id"]]


def test_a_rejected_request_leaves_the_alias_where_it_was(people: People) -> None:
    olga, anna = people.olga, people.anna
    guarded = {"name": "alias-no", "approval_required": True, "card": CARD}
    ok(olga.post("/models", json=guarded), 201)
    registered(olga, "alias-no")
    request = ok(olga.put("/models/alias-no/aliases/champion", json={"version": 1}), 202)

    ok(anna.post(f"{request['url']}/reject", json={"reason": "no"}))

    problem(olga.get("/models/alias-no/aliases/champion"), 404, "alias-not-found")


def test_a_ref_names_a_champion_or_an_alias_and_a_path_names_a_version(
    olga: httpx.Client, model: str
) -> None:
    for ref in (model, f"{model}@champion", f"{model}%40champion", model.upper(),
                f"{model}/versions/1"):  # fmt: skip
        answer = olga.post(f"/models/{ref}/predict", json=BODY)
        assert ok(answer)["version"] == 1, ref


@pytest.mark.parametrize(
    ("ref", "status", "code"),
    [
        ("nowhere", 404, "model-not-found"),
        ("nowhere@champion", 404, "model-not-found"),
        ("nowhere/versions/1", 404, "model-not-found"),
        ("story@nobody", 404, "alias-not-found"),
        ("story/versions/99", 404, "version-not-found"),
        ("story@3", 422, "invalid-field"),
        ("story%403", 422, "invalid-field"),
        ("story@", 422, "invalid-field"),
        ("story@latest", 422, "invalid-field"),
        ("story@v1", 422, "invalid-field"),
    ],
)
def test_a_ref_that_calls_nothing_says_why(
    olga: httpx.Client, model: str, ref: str, status: int, code: str
) -> None:
    problem(olga.post(f"/models/{ref}/predict", json=BODY), status, code)
    if "/" not in ref:
        problem(olga.get(f"/models/{ref}/openapi.json"), status, code)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_scoring_is_a_post(olga: httpx.Client, model: str, method: str) -> None:
    answer = olga.request(method, f"/models/{model}/predict")

    problem(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["Allow"]
