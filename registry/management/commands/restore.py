"""``manage.py restore DIR``: brings a backup back; the service does not run meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from registry import audit
from registry.actions.backup_faults import BackupRefused
from registry.actions.backup_restore import Restored, restore
from registry.errors import DomainError
from registry.supervisor.preflight import CannotStart, lock

REFUSED = 2
NOT_WHOLE = 1
_REPEAT = "The restore was broken off: nothing starts here until it was run again."


class Command(BaseCommand):
    """Exit status 0: restored; 1: but for files that are not there; 2: not restored."""

    help = "Bring a backup back into an empty database and state folder."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("folder", type=Path, help="a folder that `backup` has written")
        parser.add_argument(
            "--force", action="store_true", help="take the place of what is there; it is put aside"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, and bring the tables to what this release has."""
        folder = options["folder"].absolute()
        try:
            held = lock(Path(settings.MODELYARD_HOME) / "run" / "up.lock")
        except CannotStart as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        try:
            done = self._restored(folder, is_forced=options["force"])
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            os.close(held)
        made_at = done.manifest.made_at
        after = {"folder": str(folder), "rows": done.manifest.rows}
        audit.record(None, "backup.restore", f"of {made_at}", after=after)
        for path in done.aside:
            self.stdout.write(f"what was there is now {path}")
        for warning in done.warnings:
            self.stderr.write(warning)
        self.stdout.write(f"restored the backup of {made_at} from {folder}")
        if done.missing:
            raise CommandError("Not everything is there.", returncode=NOT_WHOLE)

    def _restored(self, folder: Path, *, is_forced: bool) -> Restored:
        try:
            return restore(folder, is_forced=is_forced, tell=self.stdout.write)
        except (BackupRefused, DomainError) as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except OperationalError as error:
            raise CommandError(f"{error}. {_REPEAT}", returncode=REFUSED) from None
        except OSError as error:
            text = f"{error.filename or folder}: {error.strerror}. {_REPEAT}"
            raise CommandError(text, returncode=REFUSED) from None
