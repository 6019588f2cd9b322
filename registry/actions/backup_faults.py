"""Why no backup is made, or none is restored: each a line that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SHOWN = 5


class BackupRefused(Exception):
    """The reason, in words for whoever sits at the shell."""


class DatabaseIsNewer(BackupRefused):
    """The database has seen migrations that this code does not have."""

    def __init__(self, unknown: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            f"The database is newer than this code: it has seen {_named(unknown)}. Start the "
            "release that wrote it, or restore a backup of before the update (docs/backup.md)."
        )


class BackupIsNewer(BackupRefused):
    """The backup was made of tables that this code does not have."""

    def __init__(self, unknown: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            f"The backup is newer than this code: it has seen {_named(unknown)}. Restore it with "
            "the release that made it, or a later one."
        )


def _named(unknown: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{app}.{name}" for app, name in unknown[:SHOWN])
    return shown if len(unknown) <= SHOWN else f"{shown} and {len(unknown) - SHOWN} more"


class NothingThere(BackupRefused):
    """The database has no tables of ours."""

    def __init__(self) -> None:
        super().__init__("The database has no tables yet: there is nothing to back up.")


class NotABackup(BackupRefused):
    """The folder has no whole backup in it."""


class Damaged(BackupRefused):
    """A file of the backup is not what its list says."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The backup is damaged: {path} {why}. Nothing of it was restored.")
