"""`manage.py regate`: the gate of now looks at every stored version that another one has passed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.actions.second_looks import Outcome
from registry.errors import Unavailable
from registry.scan.edition import gate_version
from serving.actions.regate import OtherGate, Step, Tally, regate

# Versions that merely stand are counted, not listed.
_TOLD_EVERY = 100


class Command(BaseCommand):
    """Exit code 1 when something was taken out of service or could not be read."""

    help = "Look again at stored versions that were last looked at by another version of the gate."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command line."""
        parser.add_argument(
            "--all", action="store_true", help="also what this gate has looked at already"
        )
        parser.add_argument(
            "--rejected",
            action="store_true",
            help="also what a gate has refused: where the bytes pass now, all checks run again",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be, do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, tell, and sum up."""
        self._seen = 0
        self.stdout.write(f"gate {gate_version()}")
        try:
            tally = regate(
                everything=options["all"],
                rejected=options["rejected"],
                dry_run=options["dry_run"],
                tell=self._tell,
            )
        except (Unavailable, OtherGate) as error:
            raise CommandError(str(error), returncode=2) from None
        self._sum_up(tally, options["dry_run"])
        if tally.unreadable or tally.outcomes[Outcome.TAKEN]:
            raise SystemExit(1)

    def _tell(self, step: Step) -> None:
        self._seen += 1
        if step.outcome is None:
            self.stdout.write(f"{step.version}: not read. {step.summary}")
        elif step.outcome is not Outcome.STANDS:
            self.stdout.write(f"{step.version}: {step.outcome}. {step.summary}")
        if self._seen % _TOLD_EVERY == 0:
            self.stdout.write(f"{self._seen} versions so far")

    def _sum_up(self, tally: Tally, dry_run: bool) -> None:
        files = "1 file" if tally.artifacts == 1 else f"{tally.artifacts} files"
        self.stdout.write(f"{files} looked at" + (" (dry run)" if dry_run else ""))
        rows = [(str(outcome), tally.outcomes[outcome]) for outcome in Outcome]
        rows.append(("files not read", tally.unreadable))
        width = max(len(name) for name, _ in rows)
        for name, count in rows:
            if count:
                self.stdout.write(f"  {name:<{width}}  {count:>6}")
