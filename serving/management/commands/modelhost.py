"""``manage.py modelhost``: becomes the model host, with nothing of Django or its settings left."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from serving.actions.host import host
from serving.conf import conf
from serving.runtimes.isolation.errors import HostUnavailable
from serving.runtimes.isolation.nursery import MAX_CHILDREN
from serving.runtimes.isolation.start import command_line, environment_for


def _level() -> str:
    """The level of confinement and, below the full one, what is missing."""
    try:
        told = host().status()["confinement"]
    except HostUnavailable as away:
        return str(away)
    missing = [f"{name}: {why}" for name, why in told["layers"].items() if why is not True]
    return f"{told['level']} ({'; '.join(missing)})" if missing else str(told["level"])


class Command(BaseCommand):
    """Replaces this process by the model host's own interpreter.

    A forked child could read what stands in this process's memory and in its first environment,
    the secret key and the database's password included: only a new program is free of them.
    """

    help = "Serve models on a Unix socket, one confined process for each."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The socket and the number of processes."""
        parser.add_argument("--socket", type=Path, default=None, help="instead of MODELHOST_SOCKET")
        parser.add_argument("--max-children", type=int, default=MAX_CHILDREN)
        parser.add_argument(
            "--level", action="store_true", help="only say what the running host confines"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Does not return, unless only asked for the level."""
        if options["level"]:
            self.stdout.write(_level())
            return
        command = command_line(
            options["socket"] or conf.modelhost_socket,
            memory_bytes=conf.model_memory_bytes,
            budget_bytes=conf.modelhost_memory_bytes,
            max_children=options["max_children"],
        )
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], command, environment_for(dict(os.environ)))
