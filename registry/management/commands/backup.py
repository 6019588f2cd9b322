"""``manage.py backup DIR``: the database and the files at one moment, while the service works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from registry.actions.backup import back_up, note_backup
from registry.actions.backup_faults import BackupRefused
from registry.actions.backup_folder import INCLUDED
from registry.errors import DomainError

REFUSED = 2
NOT_WHOLE = 1


class Command(BaseCommand):
    """Exit status 0: whole; 1: whole but for files that the storage lacks; 2: no backup."""

    help = "Write a backup of the database and the files into a new folder; the service may run."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("folder", type=Path, help="a new or empty folder")
        parser.add_argument(
            "--database-only", action="store_true", help="leave the files of the storage out"
        )
        parser.add_argument(
            "--reuse",
            type=Path,
            help="an earlier backup on the same file system: files that it has are linked to it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, and say what is in it."""
        folder = options["folder"].absolute()
        try:
            made = back_up(
                folder,
                with_files=not options["database_only"],
                reuse=options["reuse"],
                tell=self.stdout.write,
            )
        except (BackupRefused, DomainError, OperationalError) as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except OSError as error:
            text = f"{error.filename or folder}: {error.strerror}. What was written is no backup."
            raise CommandError(text, returncode=REFUSED) from None
        note_backup(made, folder)
        self.stdout.write(
            "with the secret key: whoever reads this folder can read sealed secrets"
            if made.secret == INCLUDED
            else "without SECRET_KEY, which is a setting here: keep it elsewhere"
        )
        self.stdout.write(f"backup in {folder}")
        if made.missing:
            named = "".join(f"\n  {name}" for name in made.missing)
            text = f"{len(made.missing)} files are missing or damaged in the storage:{named}"
            raise CommandError(text, returncode=NOT_WHOLE)
