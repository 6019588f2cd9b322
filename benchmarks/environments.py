"""An environment for each peer, from its own lock file, kept until that file changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / ".bench"
UV = str(Path(sys.executable).with_name("uv"))


def environment(name: str) -> Path:
    """The folder of programs of a peer's environment. Raises CalledProcessError."""
    lock = HERE / "peers" / f"{name}.txt"
    folder = KEPT / f"env-{name}"
    stamp = folder / "installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"making the environment of {name}", flush=True)
        _call(UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        target = ("--python", str(folder / "bin" / "python"))
        _call(UV, "pip", "install", "--quiet", *target, "--require-hashes", "-r", str(lock))
        stamp.write_text(digest)
    return folder / "bin"


def _call(*words: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(words, check=True, env=clean)
