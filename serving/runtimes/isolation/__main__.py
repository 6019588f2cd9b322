"""Starts the model host: ``python -m serving.runtimes.isolation --socket PATH ...``.

It knows neither Django nor a database, and ``start.py`` gives it an environment without secrets.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from serving.runtimes import RUNTIMES
from serving.runtimes.isolation import kernel
from serving.runtimes.isolation.confine import OPTIONAL_LAYERS, Confinement
from serving.runtimes.isolation.door import AlreadyServed, UnsafeFolder, listen
from serving.runtimes.isolation.host import Host
from serving.runtimes.isolation.nursery import (
    LOAD_TIMEOUT_S,
    MAX_CHILDREN,
    MAX_INSPECTIONS,
    HostSettings,
)
from serving.runtimes.isolation.offspring import log
from serving.runtimes.isolation.trial import find_confinement
from serving.runtimes.isolation.warm import prepare_for_any, warm
from serving.runtimes.isolation.watch import default_budget_bytes


def main(argv: list[str]) -> int:
    """Serve until SIGTERM. 0 then; 1 with one line when the socket cannot be had."""
    found = parse(argv)
    settings = settings_of(found)
    try:
        listener, lock = listen(settings.socket_path)
    except (AlreadyServed, UnsafeFolder, OSError) as error:
        log(f"cannot serve {settings.socket_path}: {error}")
        return 1
    prepare_for_any()
    if not found.cold:
        warm([*RUNTIMES.values(), *settings.runtimes.values()])
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    confinement = find_confinement(found.without)
    log(f"ready on {settings.socket_path}, confinement {told(confinement)}")
    try:
        Host(replace(settings, confinement=confinement), listener).run()
    finally:
        settings.socket_path.unlink(missing_ok=True)
        os.close(lock)
    return 0


def told(confinement: Confinement) -> str:
    """The level and, below the full one, why."""
    missing = confinement.missing
    return f"{confinement.level} ({missing})" if missing else confinement.level


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line; ``start.py`` writes it."""
    parser = argparse.ArgumentParser(prog="modelhost", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--max-children", type=int, default=MAX_CHILDREN)
    parser.add_argument("--budget-bytes", type=int, default=None)
    parser.add_argument("--max-inspections", type=int, default=MAX_INSPECTIONS)
    parser.add_argument("--load-timeout-s", type=float, default=LOAD_TIMEOUT_S)
    parser.add_argument("--runtime", action="append", default=[], metavar="KEY=MODULE")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=OPTIONAL_LAYERS,
        help="leave a layer of confinement off: for tests and measurements only",
    )
    parser.add_argument("--cold", action="store_true", help="import nothing beforehand")
    return parser.parse_args(argv)


def settings_of(found: argparse.Namespace) -> HostSettings:
    """The settings on the command line."""
    return HostSettings(
        socket_path=found.socket,
        memory_bytes=found.memory_bytes,
        max_children=found.max_children,
        budget_bytes=found.budget_bytes or default_budget_bytes(),
        max_inspections=found.max_inspections,
        load_timeout_s=found.load_timeout_s,
        runtimes=dict(pair.split("=", 1) for pair in found.runtime),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
