"""Story: what governs models and data, with the client and its command on a started service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import modelyard
import pandas as pd
import pytest
from modelyard.cli.main import main
from modelyard.errors import ModelNotFound, RulesNotMet

from tests.cards import CARD
from tests.flows.conftest import People
from tests.flows.stories import CUSTOMERS, job, ok, registered
from tests.services.stack import Stack

Run = Callable[..., str]


@pytest.fixture(scope="module")
def clients(live_stack: Stack, people: People) -> Iterator[dict[str, modelyard.Client]]:
    """A client for each of three people."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(modelyard.Client(live_stack.url, key_of(people, name)))
            for name in ("olga", "anna", "vera")
        }


@pytest.fixture
def run(
    live_stack: Stack,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """``run("anna", "models")``: what the command prints; its exit code must be 0."""

    def run(who: str, *argv: str) -> str:
        monkeypatch.setenv("MODELYARD_URL", live_stack.url)
        monkeypatch.setenv("MODELYARD_API_KEY", key_of(people, who))
        code = main(list(argv))
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


def key_of(people: People, name: str) -> str:
    return str(getattr(people, name).headers["Authorization"].removeprefix("Bearer "))


def test_a_card_is_filled_in_and_a_guarded_alias_moves_by_two_people(
    people: People, clients: dict[str, modelyard.Client], run: Run
) -> None:
    olga, anna = clients["olga"], clients["anna"]
    registered(people.olga, "told")
    assert olga.set_card("told", {"owner": "Olga"})["card"] == {"owner": "Olga"}
    rest = [f"--set={field}={text}" for field, text in CARD.items() if field != "owner"]
    shown = json.loads(run("olga", "model", "card", "told", *rest, "--json"))
    assert shown == {"card": {**CARD, "owner": "Olga"}, "card_missing": []}
    assert "owner:\n  Olga\n" in run("vera", "model", "card", "told")
    with pytest.raises(modelyard.InvalidField) as refused:
        olga.set_card("told", {"ownr": "x"})
    assert refused.value.pointer == "/card/ownr"

    ok(people.marie.patch("/models/told", json={"approval_required": True}))
    asked = olga.set_alias("told", "later", 1, reason="Try it.")
    (listed,) = json.loads(run("anna", "approvals", "list", "--model", "told", "--json"))
    assert (listed["id"], listed["state"]) == (asked["id"], "pending")
    with pytest.raises(modelyard.NotAllowed):
        olga.approve(asked["id"], reason="I like it.")
    said = run("anna", "approvals", "approve", str(asked["id"]), "--reason", "Seen.")
    assert said.splitlines()[0] == "told/versions/1 as later: approved"
    assert "decided by anna: Seen." in run("olga", "approvals", "show", str(asked["id"]))
    with pytest.raises(modelyard.Conflict):
        anna.reject(asked["id"], reason="Late.")

    (move,) = olga.alias_history("told", "later")
    assert (move["to"], move["by"], move["approved_by"]) == (1, "olga", "anna")
    assert list(olga.alias_history("told", "later", at="2020-01-01T00:00:00Z")) == []
    assert "Try it." in run("olga", "model", "history", "told", "later", "--at", move["at"])
    assert [alias["name"] for alias in olga.aliases("told")] == ["champion", "later"]


def test_a_model_is_put_out_of_use_and_back(
    people: People, clients: dict[str, modelyard.Client], run: Run
) -> None:
    registered(people.olga, "put-away")
    olga = clients["olga"]
    assert run("olga", "model", "archive", "put-away") == "put-away is archived.\n"
    assert "put-away" in run("olga", "models", "--archived", "--search", "put-away")
    assert list(olga.models(search="put-away")) == []
    with pytest.raises(modelyard.Conflict):
        olga.archive_model("put-away")
    assert olga.unarchive_model("put-away")["archived_at"] is None
    assert [m["name"] for m in olga.models(search="put-away")] == ["put-away"]
    with pytest.raises(ModelNotFound):
        olga.archive_model("never-there")


def test_data_goes_up_a_tier_by_two_and_down_by_one(
    clients: dict[str, modelyard.Client], run: Run, people: People
) -> None:
    olga, anna = clients["olga"], clients["anna"]
    olga.upload_dataset(pd.DataFrame({"a": [1, 2]}), "tiered")
    asked = olga.promote("tiered@1", "curated", reason="Clean.")
    assert anna.approve(asked["id"], reason="Looks so.")["state"] == "approved"
    with pytest.raises(modelyard.NotAllowed):
        olga.demote("tiered", "raw", reason="Not clean.")
    said = run("anna", "datasets", "demote", "tiered", "--tier", "raw", "--reason", "Not clean.")
    assert said == "tiered@1 is raw now.\n"
    assert olga.dataset("tiered@1").tier == "raw"

    ok(people.marie.patch("/datasets/tiered", json={"rules": {"rows": {"min": 3}}}))
    with pytest.raises(RulesNotMet):
        olga.promote("tiered@1", "curated", reason="Clean.")


def test_lineage_is_walked_by_name_and_by_id(
    people: People, clients: dict[str, modelyard.Client], run: Run
) -> None:
    registered(people.olga, "walked")
    clients["olga"].upload_dataset(CUSTOMERS, "walked-rows")
    done = job(people.olga, model="walked", dataset="walked-rows")

    by_name = clients["olga"].lineage("version", "walked/versions/1", depth=2)
    assert {(node["kind"], node["name"]) for node in by_name["nodes"]} >= {
        ("version", "walked version 1"),
        ("dataset-version", f"{done['output_dataset']}@1"),
        ("alias", "walked@champion"),
    }
    by_id = clients["olga"].lineage("version", by_name["id"], depth=2)
    assert by_id["nodes"] == by_name["nodes"]
    lines = run("olga", "lineage", "dataset-version", "walked-rows@1").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["HOPS", "KIND"],
        ["0", "dataset-version"],
        ["1", "batch-job"],
        ["1", "dataset-version"],
    ]
    for kind, ref in (("model", "walked"), ("dataset", "walked-rows"), ("batch-job", done["id"])):
        assert clients["vera"].lineage(kind, ref)["kind"] == kind
    with pytest.raises(modelyard.UsageError, match="names no version"):
        clients["olga"].lineage("version", "walked")
    with pytest.raises(modelyard.UsageError, match="by its id"):
        clients["olga"].lineage("route", "walked")
