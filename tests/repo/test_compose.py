"""The compose file: it parses, names no secret, and its commands run.

No container engine is at hand here, so no image is built: the commands of our services are run as
plain processes instead, against real stand-ins of the other services.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.services.postgres import PostgresServer
from tests.services.processes import free_port, wait_until
from tests.services.s3 import running_s3

OURS = ("prepare", "web", "worker", "beat", "modelhost")
SECRETS = {
    "SECRET_KEY": "only-for-tests-" + "k" * 50,
    "POSTGRES_PASSWORD": "not-asked",
    "STORAGE_ACCESS_KEY": "access",
    "STORAGE_SECRET_KEY": "secret",
    "MODELYARD_ADMIN_PASSWORD": "a long enough secret",
}


@pytest.fixture(scope="session")
def compose(repository: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((repository / "compose.yaml").read_text()))


def filled_in(text: str) -> str:
    """`${NAME:?...}` and `${NAME:-default}` as compose fills them in."""
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_it_has_every_part(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*OURS, "postgres", "redis", "objects"}
    for name in OURS:
        service = compose["services"][name]
        assert service["image"] == "modelyard"
        assert service["command"][:2] == ["python", "manage.py"]


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    assert not [
        (name, variable, value)
        for name, service in compose["services"].items()
        for variable, value in service.get("environment", {}).items()
        if re.search("KEY|PASSWORD$", variable) and not re.fullmatch(r"\$\{\w+:\?.*\}", value)
    ]


def test_everything_that_is_named_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", ())) <= compose["services"].keys()
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]


def test_only_the_web_is_reached_from_outside_and_only_from_this_machine(
    compose: dict[str, Any],
) -> None:
    ports = {name: service.get("ports") for name, service in compose["services"].items()}
    assert {name: found for name, found in ports.items() if found} == {
        "web": ["127.0.0.1:8000:8000"]
    }


def test_what_the_image_copies_is_not_ignored(repository: Path) -> None:
    copied = re.findall(r"^COPY (?!--)(\S+)", (repository / "Dockerfile").read_text(), re.MULTILINE)
    let_in = {
        line[1:]
        for line in (repository / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert set(copied) == let_in
    assert all((repository / name).exists() for name in copied)


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3-compatible server."""
    with running_s3() as server:
        yield server.address


@pytest.mark.long
def test_the_commands_run_as_plain_processes(
    compose: dict[str, Any],
    repository: Path,
    tmp_path: Path,
    postgres_server: PostgresServer,
    valkey_server: str,
    s3: str,
) -> None:
    port = free_port()
    places = {
        "DATABASE_URL": postgres_server.url("postgres"),
        "REDIS_URL": f"{valkey_server}?db=3",
        "STORAGE_URL": f"s3://access:secret@objects/modelyard?endpoint_url={s3}&region=us-east-1",
        "MODELHOST_SOCKET": str(tmp_path / "host.sock"),
        "PUBLIC_URL": f"http://localhost:{port}",
        "PORT": str(port),
        "PATH": "/usr/bin:/bin",
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in OURS:
            service = compose["services"][name]
            environment = {k: filled_in(str(v)) for k, v in service["environment"].items()}
            home = {"MODELYARD_HOME": str(tmp_path / name)}
            with (tmp_path / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(
                    [sys.executable, *service["command"][1:]],
                    cwd=repository,
                    env={**environment, **places, **home},
                    stdout=log,
                    stderr=log,
                )
            if name == "prepare":
                assert running.pop(name).wait(60) == 0, (tmp_path / "prepare.log").read_text()
        wait_until(lambda: is_ready(port), 60, "web answers that all parts are ready")
        log = tmp_path / "worker.log"
        wait_until(lambda: " ready." in log.read_text(), 60, "the worker is ready")
        home = {"MODELYARD_HOME": str(tmp_path / "worker")}
        assert is_healthy(compose["services"]["worker"], repository, places | home)
    finally:
        codes = {name: ended(process) for name, process in running.items()}
    assert codes["web"] == 0


def ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code, after the signal that compose sends and, as it does, a kill."""
    process.terminate()
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(10)


def is_healthy(service: dict[str, Any], repository: Path, places: dict[str, str]) -> bool:
    """What the service's own health check says, run as its container would."""
    shell, command = service["healthcheck"]["test"]
    assert shell == "CMD-SHELL"
    program = command.replace("$$", "$").replace("python ", f"{sys.executable} ", 1)
    environment = {"SECRET_KEY": SECRETS["SECRET_KEY"], **places}
    asked = subprocess.run(["sh", "-c", program], cwd=repository, env=environment, check=False)
    return asked.returncode == 0


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
