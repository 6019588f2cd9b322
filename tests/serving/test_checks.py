"""The deployment checks of serving, each by its id."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from serving import checks
from tests.serving.runtimes.hosts import running


def found(prefix: str = "serving.") -> list[str]:
    messages = run_checks(include_deployment_checks=True, tags=["security"])
    return [message.id or "" for message in messages if (message.id or "").startswith(prefix)]


def with_settings(**changes: Any) -> override_settings:
    return override_settings(MODELYARD={**settings.MODELYARD, **changes})


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[None]:
    with with_settings(MODELHOST_SOCKET=str(tmp_path / "nobody.sock")):
        yield


@pytest.mark.parametrize("level", ["full", "no-netns", "rlimits-only"])
def test_only_limits_alone_are_an_error(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    told: Mapping[str, Any] = {"level": level, "layers": {"seccomp": "not there", "limits": True}}
    monkeypatch.setattr(checks, "confinement", lambda: told)
    messages = checks.models_are_confined(None)
    assert [message.id for message in messages] == ["serving.E001"] * (level == "rlimits-only")
    assert all("seccomp: not there" in str(message.msg) for message in messages)
    assert all("limits: True" not in str(message.msg) for message in messages)


@pytest.mark.parametrize(
    ("policy", "is_warned"), [("gate", True), ("approve", False), ("refuse", False)]
)
@pytest.mark.usefixtures("nobody")
def test_a_policy_without_a_second_person_is_a_warning(policy: str, is_warned: bool) -> None:
    with with_settings(MODEL_FILE_POLICY=policy):
        assert ("serving.W001" in found()) is is_warned


def test_a_running_host_is_asked(tmp_path: Path) -> None:
    with (
        running(tmp_path / "h.sock", is_warmed=False, without=("landlock",)),
        with_settings(MODELHOST_SOCKET=str(tmp_path / "h.sock")),
    ):
        assert "serving.E001" in found()


@pytest.mark.usefixtures("nobody")
def test_without_a_host_this_machine_is_tried() -> None:
    told = checks.confinement()
    assert told["level"] in ("full", "no-netns", "rlimits-only")
    assert "seccomp" in told["layers"]


@pytest.mark.usefixtures("nobody")
def test_a_trial_that_fails_is_no_confinement(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = subprocess.CompletedProcess([], 1, b"", b"Traceback\nOSError: no such thing\n")
    monkeypatch.setattr(checks.subprocess, "run", lambda *_, **__: broken)
    assert checks.confinement() == {
        "level": "rlimits-only",
        "layers": {"trial": "OSError: no such thing"},
    }


def test_compiled_graphs_that_may_fill_the_memory_are_a_warning() -> None:
    with with_settings(ENGINE_MEMORY_BYTES=1 << 50):
        (message,) = checks.engines_fit_into_memory(None)
    assert message.id == "serving.W002"
    assert message.hint is not None
    assert "ENGINE_MEMORY_BYTES" in message.hint
    with with_settings(ENGINE_MEMORY_BYTES=1 << 20):
        assert checks.engines_fit_into_memory(None) == []
