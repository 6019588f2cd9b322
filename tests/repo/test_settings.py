"""A wrong setting stops the start with one line; the sample of production passes every check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.make_check import production_environment


def manage(repository: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=repository,
        env={"PATH": os.environ["PATH"], **env},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PORT": "70000"}, "PORT: '70000' is no number from 1 to 65535. The default is 8000."),
        ({"DEBUG": "perhaps"}, "DEBUG: 'perhaps' is neither true nor false. Write 1 or 0."),
        ({"SECRET_KEY_FILE": "/missing"}, "SECRET_KEY_FILE: /missing cannot be read"),
        ({"PUBLIC_URL": "https://a.example"}, "TRUSTED_PROXIES: PUBLIC_URL is https, but no proxy"),
        ({"MODEL_FILE_POLICY": "trust"}, "MODEL_FILE_POLICY: 'trust' is not known. Choose one of"),
        ({"MODELYARD_HOME": "/dev/null/x"}, "MODELYARD_HOME: the state folder /dev/null/x cannot"),
        ({"DATABASE_URL": "oracle://h/n"}, "DATABASE_URL: the URL is neither postgres:// nor"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    repository: Path, tmp_path: Path, variables: dict[str, str], line: str
) -> None:
    done = manage(repository, "up", **{"MODELYARD_HOME": str(tmp_path), **variables})
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def check_deploy(repository: Path, home: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    env = production_environment(home) | changes
    return manage(repository, "check", "--deploy", "--fail-level", "WARNING", **env)


def test_the_sample_of_production_passes(repository: Path, tmp_path: Path) -> None:
    done = check_deploy(repository, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_sample_fails_with_a_setting_broken(repository: Path, tmp_path: Path) -> None:
    done = check_deploy(repository, tmp_path, DEMO="1")
    assert done.returncode != 0
    assert "registry.W013" in done.stderr
