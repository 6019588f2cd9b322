"""``manage.py prune [--dry-run]``: removes what has had its time, as beat does every night."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.actions.pruning import FilesAreKept, prune
from registry.errors import DomainError


class Command(BaseCommand):
    """A line for each kind of thing, with how many there were and their bytes."""

    help = "Remove expired records, bytes of rejected versions, and files that no row names."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune; exit status 1 where files could not be removed now."""
        try:
            for step in prune(dry_run=options["dry_run"]):
                size = "" if step.size_bytes is None else f", {step.size_bytes} bytes"
                self.stdout.write(f"{step.count:>10} {step.what}{size}")
        except (FilesAreKept, DomainError) as error:
            raise CommandError(str(error), returncode=1) from None
        if options["dry_run"]:
            self.stdout.write("nothing was removed")
