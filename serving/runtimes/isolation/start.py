"""How the model host is started: its command line and the environment that it may have.

The interpreter is a parameter: one with other library versions may serve versions that need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# One thread everywhere: a forked OpenMP pool hangs, and a confined child may start no thread.
# The system's allocator, because others reserve address space that RLIMIT_AS counts.
THREADS_OFF = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
}
# What is kept of the caller's environment. No secret is on the list.
_KEPT = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUNBUFFERED",
    "TMPDIR",
    "TZ",
)
_ROOT = Path(__file__).resolve().parents[3]


def command_line(
    socket_path: Path,
    *,
    memory_bytes: int,
    max_children: int | None = None,
    budget_bytes: int | None = None,
    max_inspections: int | None = None,
    load_timeout_s: float | None = None,
    extra_runtimes: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
    is_warmed: bool = True,
    python: str = sys.executable,
) -> list[str]:
    """The program and its arguments; what is None takes the host's own default.

    ``extra_runtimes`` adds keys to the table of runtimes, each with a dotted module path.
    ``without`` names layers of confinement to be left off, which no setting does.
    ``is_warmed`` False leaves the imports to each child: quick to start, slow to load.
    """
    given = {
        "--socket": socket_path,
        "--memory-bytes": memory_bytes,
        "--max-children": max_children,
        "--budget-bytes": budget_bytes,
        "--max-inspections": max_inspections,
        "--load-timeout-s": load_timeout_s,
    }
    command = [python, "-m", "serving.runtimes.isolation"]
    for name, value in given.items():
        if value is not None:
            command += [name, str(value)]
    for key, module in (extra_runtimes or {}).items():
        command += ["--runtime", f"{key}={module}"]
    for layer in without:
        command += ["--without", layer]
    return command if is_warmed else [*command, "--cold"]


def environment_for(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment the host gets, and where it finds this project's code."""
    kept = {name: environment[name] for name in _KEPT if name in environment}
    return kept | THREADS_OFF | {"PYTHONPATH": os.fspath(_ROOT)}
