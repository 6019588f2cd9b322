"""`manage.py part NAME`: becomes one part, with the same command that `up` starts it with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from registry.actions.restore_begun import broken_off
from registry.management import parts
from registry.supervisor.part import Part

NAMES = ("web", "worker", "beat", "modelhost")


class Command(BaseCommand):
    """For machines where something else starts and watches the parts: containers, systemd."""

    help = "Run one part in the foreground: web, worker, beat or modelhost."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("name", choices=NAMES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the part; does not return. Exit code 1 after a restore that was broken off."""
        if why := broken_off():
            raise CommandError(why)
        part = chosen(options["name"], Path(settings.MODELYARD_HOME) / "run")
        if "PROMETHEUS_MULTIPROC_DIR" in part.env:
            parts.fresh_folder(Path(part.env["PROMETHEUS_MULTIPROC_DIR"]))
        os.execvpe(part.command[0], part.command, {**parts.child_env(), **part.env})


def chosen(name: str, run: Path) -> Part:
    """The part of this name, without those that it needs: they run elsewhere."""
    makers = {
        "web": lambda: parts.web(run, ()),
        "worker": lambda: parts.worker(run, ()),
        "beat": lambda: parts.beat(run, ()),
        "modelhost": parts.model_host,
    }
    return makers[name]()
