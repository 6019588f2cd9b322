"""Under the policy ``approve`` a joblib file waits for a second person, who sees what was found."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.flows.stories import (
    as_joblib,
    as_skops,
    checked,
    checks_of,
    churn,
    example,
    ok,
    plain,
    problem,
    refused_field,
    upload,
)
from tests.services.stack import ROOT, Stack, Start, end_stack

pytestmark = pytest.mark.long

As = Callable[[str, str], httpx.Client]


@pytest.fixture(scope="module")
def stack(start_ready_made: Start) -> Iterator[Stack]:
    """A service of its own, with the policy."""
    started = start_ready_made(MODEL_FILE_POLICY="approve")
    try:
        started.wait_until_ready()
        yield started
    finally:
        end_stack(started)


def manage(stack: Stack, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": str(stack.home)},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def signed(stack: Stack) -> Iterator[As]:
    """``signed("rita", "approver")``: HTTP as somebody who is made on the server, with a key."""
    opened: list[httpx.Client] = []

    def make(name: str, role: str) -> httpx.Client:
        words = ("person", name, "--role", role, "--password-file", "-")
        made = manage(stack, *words, typed="a long pass phrase\n")
        assert made.returncode == 0, made.stderr
        scope = {"publisher": "publish", "approver": "approve"}[role]
        key = manage(
            stack, "api_key", "create", "--user", name, "--name", role,
            "--scopes", f"read,score,publish,{scope}",
        )  # fmt: skip
        assert key.returncode == 0, key.stderr
        headers = {"Authorization": f"Bearer {key.stdout.strip()}"}
        root = f"{stack.url}/api/v1"
        opened.append(httpx.Client(base_url=root, headers=headers, timeout=60))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_four_eyes_from_the_upload_to_the_answer(stack: Stack, signed: As) -> None:
    olga, rita = signed("olga", "publisher"), signed("rita", "approver")
    body = as_joblib(churn())
    version = checked(olga, upload(olga, "guarded", body, "model.joblib", **example()))
    verdicts = {name: check["verdict"] for name, check in checks_of(version).items()}
    assert (version["status"], version["aliases"]) == ("quarantined", [])
    assert "pending" not in verdicts.values()
    called = olga.post("/models/guarded/versions/1/predict", json={"instances": []})
    problem(called, 409, "version-not-ready")
    aliased = olga.put("/models/guarded/aliases/champion", json={"version": 1})
    problem(aliased, 409, "version-not-ready")

    [request] = ok(rita.get("/approvals?model=guarded&state=pending"))["results"]
    assert (request["subject"], request["version"], request["alias"]) == ("version", 1, None)
    assert request["sha256"] == hashlib.sha256(body).hexdigest()
    assert request["gate_version"] == version["gate_version"]
    assert request["evidence"]["load"]["estimator"] == "sklearn.pipeline.Pipeline"
    assert request["evidence"]["scan"]["globals"]
    own = olga.post(f"{request['url']}/approve", json={"reason": "mine"})
    problem(own, 403, "not-allowed")
    decided = rita.post(f"{request['url']}/approve", json={"reason": "known bytes"})
    assert (decided.json()["state"], decided.json()["decided_by"]) == ("approved", "rita")

    released = ok(olga.get(version["url"]))
    assert (released["status"], released["aliases"]) == ("ready", ["champion"])
    assert ok(olga.post("/models/guarded/predict", json={"instances": []}))["version"] == 1
    again = checked(olga, upload(olga, "guarded", body, "model.joblib", **example()))
    assert again["status"] == "ready"

    looked = manage(stack, "regate", "--all")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert " stands " in looked.stdout
    assert ok(olga.get(version["url"]))["status"] == "ready"


def test_a_rejection_is_final_and_the_uploader_does_not_decide(signed: As) -> None:
    anna, marie = signed("anna", "approver"), signed("marie", "approver")
    olga = signed("paul", "publisher")
    checked(anna, upload(anna, "four-eyes", as_joblib(plain(), 3), "model.joblib"))
    [request] = ok(anna.get("/approvals?model=four-eyes"))["results"]

    for verb in ("approve", "reject"):
        own = anna.post(f"{request['url']}/{verb}", json={"reason": "mine"})
        problem(own, 403, "not-allowed")
    problem(olga.post(f"{request['url']}/approve", json={"reason": "x"}), 403, "not-allowed")
    refused_field(marie.post(f"{request['url']}/reject", json={}), "/reason")
    refused_field(marie.post(f"{request['url']}/reject", json={"reason": " "}), "/reason")
    assert ok(marie.post(f"{request['url']}/reject", json={"reason": "no"}))["state"] == "rejected"
    for verb in ("approve", "reject"):
        again = marie.post(f"{request['url']}/{verb}", json={"reason": "again"})
        problem(again, 409, "state-conflict")
    assert ok(anna.get("/models/four-eyes/versions/1"))["status"] == "rejected"


def test_what_executes_no_code_waits_for_nobody(signed: As) -> None:
    olga = signed("otto", "publisher")
    version = checked(olga, upload(olga, "audited", as_skops(churn()), **example()))

    assert version["status"] == "ready"
