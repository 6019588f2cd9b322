"""Clients: KServe's REST client, in an environment of its own, against a started service."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.services.stack import ROOT, Stack

LOCK = ROOT / "requirements-clients.txt"
PROGRAM = Path(__file__).with_name("kserve_calls.py")
# It is made once (17 s from nothing) and goes with ours; a slow network is not waited for.
INSTALL_LIMIT_S = 60
CALLS_LIMIT_S = 90


@pytest.fixture(scope="module")
def clients_python() -> Path:
    """The Python of an environment with the clients that cannot share ours."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = Path(sys.prefix) / "clients" / digest
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists():
        return python
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        pytest.skip("kserve's client needs an environment of its own, and there is no uv")
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
    try:
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [*install, "--python", str(python)],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_LIMIT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip()[-300:]
        pytest.skip(f"kserve's client does not install here: {said or error}")
    stamp.touch()
    return python


def test_kserve_is_answered_as_rows_are(
    clients_python: Path, live_stack: Stack, key_for: Callable[..., str], http: httpx.Client
) -> None:
    called = subprocess.run(
        [str(clients_python), str(PROGRAM), live_stack.url],
        input=key_for("read", "score"),
        capture_output=True,
        text=True,
        timeout=CALLS_LIMIT_S,
        check=False,
    )
    assert called.returncode == 0, called.stderr[-2000:]
    told = json.loads(called.stdout.splitlines()[-1])
    rows = [
        ["Dream", "male", 49.5, 19.0, 200, 3800],
        ["Torgersen", "female", 36.5, 18.0, 190, 3150],
    ]
    expected = http.post("/models/penguins/predict", json={"instances": rows}).json()
    assert (told["live"], told["ready"], told["model"], told["nobody"]) == (True, True, True, False)
    for form, ref in (("json", "penguins"), ("binary", "penguins@champion")):
        assert told[form] == {
            "id": "kserve-1",
            "model": ref,
            "predict": expected["predictions"],
            "predict_proba": [list(row.values()) for row in expected["probabilities"]],
        }
    assert "401" in told["no key"]
    assert "`inputs` is a list of one tensor at least" in told["bad"]
