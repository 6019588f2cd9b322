"""Program: every static check of the repository, one after another; `make check` runs it.

Each check is one line of the table. All of them run, whatever fails; the exit code is honest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SAMPLE_ENVIRONMENT = ROOT / "deploy" / "production.env.example"
MANAGE = (sys.executable, "manage.py")
# What pip-audit says when the registry cannot be asked; anything else is a finding.
NO_ANSWER = ("ConnectionError", "Max retries", "ServiceError", "Failed to query", "Timeout")

CHECKS: dict[str, tuple[str, ...]] = {
    "format": (str(BIN / "ruff"), "format", "--check", "."),
    "lint": (str(BIN / "ruff"), "check", "."),
    "types": (str(BIN / "mypy"),),
    "imports": (str(BIN / "lint-imports"), "--no-cache"),
    "migrations": (*MANAGE, "makemigrations", "--check", "--dry-run"),
    "deployment": (*MANAGE, "check", "--deploy", "--fail-level", "WARNING"),
    "known holes": (str(BIN / "pip-audit"), "--require-hashes", "-r", "requirements.txt"),
}


def main() -> int:
    """Run them all; 1 if any has failed."""
    home = Path(tempfile.mkdtemp(prefix="modelyard-check-"))
    try:
        failed = [name for name, command in CHECKS.items() if not passes(name, command, home)]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"\nfailed: {', '.join(failed)}" if failed else f"\nall {len(CHECKS)} checks passed")
    return 1 if failed else 0


def passes(name: str, command: tuple[str, ...], home: Path) -> bool:
    """Run one check; its output is shown when it fails."""
    began_s = time.monotonic()
    env = os.environ | {"MODELYARD_HOME": str(home), "SECRET_KEY": "only-for-checks" * 5}
    if name == "deployment":
        env = production_environment(home)
    done = subprocess.run(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    word = "ok" if done.returncode == 0 else "FAILED"
    if word == "FAILED" and name == "known holes" and any(w in done.stdout for w in NO_ANSWER):
        word = "skipped: the registry does not answer"
    print(f"{name:<12} {word} ({time.monotonic() - began_s:.0f} s)", flush=True)
    if word == "FAILED":
        print(done.stdout, flush=True)
    return word != "FAILED"


def production_environment(home: Path) -> dict[str, str]:
    """The sample production environment, alone: nothing of the developer's own."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    for line in SAMPLE_ENVIRONMENT.read_text(encoding="utf-8").splitlines():
        name, is_set, value = line.strip().partition("=")
        if is_set and not name.startswith("#"):
            env[name] = value
    return env | {"MODELYARD_HOME": str(home)}


if __name__ == "__main__":
    sys.exit(main())
