"""What is installed: every dependency is explained, locked and hashed."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

PAIRS = [
    ("requirements.in", "requirements.txt"),
    ("requirements-extra.in", "requirements-extra.txt"),
    ("requirements-dev.in", "requirements-dev.txt"),
]
# In an environment of its own: it need not agree with the others.
CLIENTS = ("requirements-clients.in", "requirements-clients.txt")
NAME = re.compile(r"^[A-Za-z0-9_.-]+")


def wanted(path: Path) -> list[str]:
    return [
        line
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith(("#", "-c", "-r"))
    ]


def locked(path: Path) -> dict[str, str]:
    """name -> its block of version, marker and hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text())
    return {
        found[0].lower(): block
        for block in blocks
        if (found := NAME.match(block)) and "==" in block
    }


@pytest.mark.parametrize("name", [asked for asked, _ in [*PAIRS, CLIENTS]])
def test_every_dependency_says_what_it_is_for(repository: Path, name: str) -> None:
    silent = [line for line in wanted(repository / name) if not re.search(r"\s# \w", line)]
    assert silent == []


@pytest.mark.parametrize(("asked", "lock"), [*PAIRS, CLIENTS])
def test_every_dependency_is_locked(repository: Path, asked: str, lock: str) -> None:
    names = {NAME.match(line)[0].lower() for line in wanted(repository / asked)}  # type: ignore[index]
    assert names - locked(repository / lock).keys() == set()


@pytest.mark.parametrize(("asked", "lock"), [*PAIRS, CLIENTS])
def test_every_locked_package_has_hashes_and_no_address(
    repository: Path, asked: str, lock: str
) -> None:
    without = [
        name for name, block in locked(repository / lock).items() if "--hash=sha256:" not in block
    ]
    assert without == []
    options = [
        line
        for line in (repository / lock).read_text().splitlines()
        if "://" in line or re.match(r"\s*--(?!hash=)", line)
    ]
    assert options == []


def test_the_lock_serves_the_oldest_python_too(repository: Path) -> None:
    block = locked(repository / "requirements.txt")["async-timeout"]
    assert "python_full_version < '3.11.3'" in block


@pytest.mark.parametrize(("one", "other"), [*combinations([lock for _, lock in PAIRS], 2)])
def test_two_locks_name_the_same_versions(repository: Path, one: str, other: str) -> None:
    locks = locked(repository / one), locked(repository / other)
    versions = {
        name: tuple(set(re.findall(r"^\S+==(\S+)", lock[name], re.MULTILINE)) for lock in locks)
        for name in locks[0].keys() & locks[1].keys()
    }
    assert versions
    assert {name: pair for name, pair in versions.items() if pair[0] != pair[1]} == {}
