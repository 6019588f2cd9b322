"""`manage.py compile`: ready versions that the converters of now have not tried are compiled."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import Overloaded
from registry.models import ModelVersion
from registry.queue import COMPILE_VERSION, enqueue
from serving.actions.compiling import PAGE, compile_versions, versions_to_compile
from serving.runtimes.compiled.edition import COMPILE_EDITION


class Command(BaseCommand):
    """Exit code 1 when a version could not be read. The graphs of now serve until replaced."""

    help = "Compile ready versions that no converter of this release has tried."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command line."""
        parser.add_argument("--model", help="only versions of the model of this name")
        parser.add_argument(
            "--all", action="store_true", help="also what these converters have tried already"
        )
        parser.add_argument(
            "--queue", action="store_true", help="let the workers do it, one task for each version"
        )
        parser.add_argument(
            "--limit", type=int, default=PAGE, help="at most so many versions, newest first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Compile, tell, and sum up."""
        self.stdout.write(f"converters {COMPILE_EDITION}")
        if options["limit"] < 1:
            raise CommandError("--limit is at least 1.")
        if options["queue"]:
            self._enqueue(options)
            return
        try:
            tally = compile_versions(
                model=options["model"],
                everything=options["all"],
                most=options["limit"],
                tell=self._tell,
            )
        except Overloaded as error:
            raise CommandError(str(error), returncode=2) from None
        for verdict, count in sorted(tally.verdicts.items()):
            self.stdout.write(f"  {verdict:<8}  {count:>6}")
        if tally.unreadable:
            self.stdout.write(f"  {'not read':<8}  {tally.unreadable:>6}")
            raise SystemExit(1)

    def _enqueue(self, options: dict[str, Any]) -> None:
        if options["all"]:
            raise CommandError("--queue rings for what is not compiled yet: leave out --all.")
        rows = versions_to_compile(model=options["model"])[: options["limit"]]
        wanted = list(rows.values_list("pk", flat=True))
        for version_id in wanted:
            enqueue(COMPILE_VERSION, version_id)
        self.stdout.write(f"{len(wanted)} versions wait for the workers")

    def _tell(self, version: ModelVersion, verdict: str, summary: str) -> None:
        self.stdout.write(f"{version}: {verdict or 'not read'}. {summary}")
