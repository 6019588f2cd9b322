"""Program: makes `.venv` and installs the locked requirements, unless that has been done.

    python3 -I config/bootstrap.py [--extra] [--dev]

It runs before anything is installed, so it uses the standard library only. A stamp in the
environment holds the digests of the lock files that it was made from: while they stay the same,
nothing is done. The optional libraries, once asked for, are kept up to date with the rest.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
LOCKS = {
    "run": "requirements.txt",
    "extra": "requirements-extra.txt",
    "dev": "requirements-dev.txt",
}
UV = ("pip", "install", "--quiet", "--compile-bytecode")
# Twice quiet: errors only.
PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", "--compile")


class CannotInstall(Exception):
    """The reason, in one line."""


def main() -> int:
    """Exit code 0 when everything is there, 2 with one line on standard error otherwise."""
    kinds = ["run", *(kind for kind in ("extra", "dev") if f"--{kind}" in sys.argv[1:])]
    try:
        # Two at once, `make up` and `make test` say, take turns.
        fcntl.flock(os.open(ROOT, os.O_RDONLY), fcntl.LOCK_EX)
        install(kinds)
    except OSError as error:
        sys.stderr.write(f"{VENV} cannot be written: {error.strerror}\n")
        return 2
    except CannotInstall as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def install(kinds: list[str]) -> None:
    """Bring `.venv` to the state of the lock files of these kinds. Raises CannotInstall."""
    done = read_stamp()
    if "extra" in done and "extra" not in kinds:
        kinds = [*kinds, "extra"]
    wanted = {kind: hashlib.sha256((ROOT / LOCKS[kind]).read_bytes()).hexdigest() for kind in kinds}
    if all(done.get(kind) == wanted[kind] for kind in kinds):
        return
    uv = find_uv()
    if not done:
        make_venv(uv)
    sys.stderr.write("Installing the locked requirements into .venv ...\n")
    program = [uv, *UV] if uv else [str(PYTHON), *PIP]
    files = [part for kind in kinds for part in ("-r", LOCKS[kind])]
    run([*program, "--require-hashes", *files], "The installation has failed")
    new = STAMP.with_suffix(".new")
    new.write_text(json.dumps(done | wanted | {"python": sys.version}), encoding="utf-8")
    new.replace(STAMP)


def read_stamp() -> dict[str, str]:
    """What was installed before; empty for an environment of another Python, or a broken one."""
    try:
        done: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # The link in .venv leads nowhere once the Python that it was made from is gone.
    return done if done.get("python") == sys.version and PYTHON.exists() else {}


def make_venv(uv: str | None) -> None:
    """Make `.venv` anew. Raises CannotInstall."""
    if uv:
        command = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)]
    elif importlib.util.find_spec("ensurepip") is None:
        package = f"python3.{sys.version_info.minor}-venv"
        raise CannotInstall(f"Python's venv module is missing: apt install {package}")
    else:
        command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    run(command, ".venv cannot be made")


def find_uv() -> str | None:
    """A uv that works, from PATH: it installs ten times quicker than pip."""
    uv = shutil.which("uv")
    if uv is None:
        return None
    tried = subprocess.run([uv, "--version"], capture_output=True, check=False)
    return uv if tried.returncode == 0 else None


def run(command: list[str], failure: str) -> None:
    """Run a command, its output on standard error. Raises CannotInstall."""
    env = os.environ | {"VIRTUAL_ENV": str(VENV)}
    # It would leave everything to be compiled again at each start.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if subprocess.run(command, stdout=sys.stderr, env=env, cwd=ROOT, check=False).returncode:
        raise CannotInstall(f"{failure}: see above.")


if __name__ == "__main__":
    sys.exit(main())
