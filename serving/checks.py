"""System checks of serving: what a machine in production needs to open files of other people."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from registry.conf import conf as registry_conf
from serving.actions.host import host
from serving.conf import conf
from serving.runtimes.isolation.errors import HostUnavailable
from serving.runtimes.isolation.start import environment_for
from serving.runtimes.isolation.watch import machine_bytes

TRIAL_TIMEOUT_S = 60


@register(Tags.security, deploy=True)
def models_are_confined(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``serving.E001`` when code that a model file brings along would not be held in."""
    del app_configs
    told = confinement()
    if told["level"] != "rlimits-only":
        return []
    missing = [f"{name}: {why}" for name, why in told["layers"].items() if why is not True]
    return [
        Error(
            "The model host confines models by resource limits alone, so it opens no joblib,"
            f" pickle or MLflow files. Missing: {'; '.join(missing)}.",
            hint="Run the model host on Linux 5.13 or newer (x86-64 or aarch64); in a container,"
            " with a seccomp profile that allows the landlock calls.",
            id="serving.E001",
        )
    ]


@register(Tags.security, deploy=True)
def a_second_person_looks(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``serving.W001`` when files that execute code become ready without a second person."""
    del app_configs
    if registry_conf.model_file_policy != "gate":
        return []
    return [
        Warning(
            "Model files that execute code become ready as soon as they pass the gate.",
            hint="Set MODEL_FILE_POLICY=approve, so that somebody else than the uploader looks"
            " first, or MODEL_FILE_POLICY=refuse.",
            id="serving.W001",
        )
    ]


@register(deploy=True)
def engines_fit_into_memory(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``serving.W002`` when compiled graphs may take more than half of the machine's memory."""
    del app_configs
    together = conf.engine_memory_bytes * settings.WEB_WORKERS
    if together <= machine_bytes() // 2:
        return []
    return [
        Warning(
            f"The web processes may hold compiled models of {together >> 20} MiB together, more"
            " than half of this machine's memory.",
            hint="Set ENGINE_MEMORY_BYTES, which holds for each process, or WEB_WORKERS lower.",
            id="serving.W002",
        )
    ]


def confinement() -> Mapping[str, Any]:
    """What the running model host says of itself; without one, what this machine could do."""
    try:
        told: Mapping[str, Any] = host().status()["confinement"]
    except (HostUnavailable, KeyError):
        return _tried_here()
    return told


def _tried_here() -> Mapping[str, Any]:
    """In a new program, with nothing of this process's settings and memory."""
    done = subprocess.run(
        [sys.executable, "-m", "serving.runtimes.isolation.trial"],
        env=environment_for({}),
        capture_output=True,
        timeout=TRIAL_TIMEOUT_S,
    )
    try:
        told: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        told = {"level": "rlimits-only", "layers": {"trial": " ".join(last) or "it said nothing"}}
    return told
