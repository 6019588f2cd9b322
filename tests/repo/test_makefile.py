"""The Makefile and the installation behind it: help, clear refusals, done once."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from config import bootstrap


def make(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=repository,
        env=env,
        text=True,
        capture_output=True,
        check=False,
    )


def program(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_help_lists_every_target(repository: Path) -> None:
    text = (repository / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    targets = set(phony[1].split()) - {"python"}
    shown = make(repository, "help")
    assert shown.returncode == 0
    assert {line.split()[1] for line in shown.stdout.splitlines()} == targets
    assert make(repository).stdout == shown.stdout


def test_an_old_python_is_one_clear_line(repository: Path, tmp_path: Path) -> None:
    old = program(tmp_path, "python", 'test "$1" = --version && echo Python 3.9.2 && exit; exit 1')
    done = make(repository, "install", f"PYTHON={old}")
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first == (
        "Python 3.11 or newer is needed; Python 3.9.2 was found. "
        "Name another one: make up PYTHON=/path/to/python3.11"
    )
    assert all(line.startswith("make: ***") for line in rest)


def test_a_missing_python_is_one_clear_line(repository: Path, tmp_path: Path) -> None:
    done = make(repository, "install", f"PYTHON={tmp_path}/python")
    assert done.returncode == 2
    expected = "Python 3.11 or newer is needed: apt install python3 python3-venv"
    assert done.stderr.splitlines()[0] == expected


def test_the_newest_name_is_tried_when_python3_is_too_old(repository: Path, tmp_path: Path) -> None:
    program(tmp_path, "python3", "exit 1")
    program(tmp_path, "python3.12", "exit 0")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = make(repository, "--dry-run", "install", PATH=path)
    assert re.search(r"^python3\.1[23] -I config/bootstrap\.py$", done.stdout, re.MULTILINE)


def test_no_venv_module_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.CannotInstall, match=r"apt install python3\.\d+-venv$"):
        bootstrap.make_venv(None)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A repository to install into; the commands that were run for it."""
    commands: list[list[str]] = []
    for name in bootstrap.LOCKS.values():
        (tmp_path / name).write_text(name)
    venv = tmp_path / ".venv"

    def run(command: list[str], failure: str) -> None:
        commands.append(command)
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin" / "python").touch()

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(bootstrap, "STAMP", venv / "installed.json")
    monkeypatch.setattr(bootstrap, "find_uv", lambda: None)
    monkeypatch.setattr(bootstrap, "run", run)
    return commands


def test_the_second_installation_does_nothing(installed: list[list[str]]) -> None:
    bootstrap.install(["run"])
    assert [command[1:3] for command in installed] == [["-m", "venv"], ["-m", "pip"]]
    installed.clear()
    bootstrap.install(["run"])
    assert installed == []


def test_a_changed_lock_is_installed_into_the_same_environment(
    installed: list[list[str]], tmp_path: Path
) -> None:
    bootstrap.install(["run"])
    installed.clear()
    (tmp_path / "requirements.txt").write_text("other")
    bootstrap.install(["run"])
    assert [command[1:3] for command in installed] == [["-m", "pip"]]


def test_hashes_are_always_required(installed: list[list[str]]) -> None:
    bootstrap.install(["run", "dev"])
    assert installed[-1][-5:] == [
        "--require-hashes", "-r", "requirements.txt", "-r", "requirements-dev.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("stamp", ["", "{", json.dumps({"run": "x", "python": "3.8"})])
def test_a_broken_environment_is_made_anew(
    installed: list[list[str]], tmp_path: Path, stamp: str
) -> None:
    bootstrap.install(["run"])
    installed.clear()
    (tmp_path / ".venv" / "installed.json").write_text(stamp)
    bootstrap.install(["run"])
    assert [command[1:3] for command in installed] == [["-m", "venv"], ["-m", "pip"]]


def test_an_installation_that_breaks_off_is_done_again(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    working = bootstrap.run

    def broken(command: list[str], failure: str) -> None:
        working(command, failure)
        if "pip" in command:
            raise bootstrap.CannotInstall(failure)

    monkeypatch.setattr(bootstrap, "run", broken)
    with pytest.raises(bootstrap.CannotInstall):
        bootstrap.install(["run"])
    installed.clear()
    monkeypatch.setattr(bootstrap, "run", working)
    bootstrap.install(["run"])
    assert len(installed) == 2
