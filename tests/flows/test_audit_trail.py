"""On a started service the beat seals what was done, and all of it can be checked from outside."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import People
from tests.flows.stories import ok
from tests.services.processes import wait_until
from tests.services.stack import ROOT, Stack

pytestmark = pytest.mark.long


def clean(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "MODELYARD_HOME": str(home)}


def exported(people: People, **asked: str) -> list[dict[str, Any]]:
    answer = people.marie.get("/audit/export", params=asked)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_what_was_done_is_sealed_within_moments_and_the_chain_holds(people: People) -> None:
    for name in ("sealed-a", "sealed-b"):
        ok(people.olga.post("/models", json={"name": name}), 201)
    wait_until(lambda: bool(exported(people, search="sealed-b")[0]["seal"]), 60, "it is sealed")

    whole = sorted(
        (event for event in exported(people) if event["seal"]),
        key=lambda event: event["seal"]["place"],
    )

    assert len(whole) >= 2
    previous = "0" * 64
    for place, event in enumerate(whole, 1):
        seal = event.pop("seal")
        assert (seal["place"], seal["previous"]) == (place, previous)
        covered = json.dumps({**event, "previous": previous}, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(covered.encode()).hexdigest()
        assert seal["hash"] == previous


def test_the_command_finds_the_running_service_whole(live_stack: Stack, people: People) -> None:
    ok(people.olga.post("/models", json={"name": "sealed-c"}), 201)
    wait_until(lambda: bool(exported(people, search="sealed-c")[0]["seal"]), 60, "it is sealed")

    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "verify_audit"],
        env=clean(live_stack.home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " sealed events, whole; last seal " in done.stdout


def test_what_beat_seals_with_knows_no_models(tmp_path: Path) -> None:
    look = (
        "import sys, config.beat, registry.actions.sealer;"
        "print([m for m in sys.modules if m.startswith(('registry.models', 'serving.models'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=ROOT,
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
