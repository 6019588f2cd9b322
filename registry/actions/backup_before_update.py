"""The database is kept as it was before an update changes its tables; the last ones of these."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from registry.actions.backup import back_up
from registry.actions.backup_folder import MANIFEST, OWN
from registry.conf import conf

_BEGINS = "before-update-"
# A half of one may be somebody's who still writes it.
HALF_KEPT_S = 24 * 3600


def keep_before_update() -> Path | None:
    """Back the database up into the state folder; where. None where the settings want none.

    Files of the storage stay out: no update changes them. Raises BackupRefused, DatabaseError and
    OSError, and leaves no half: whoever starts again and again would fill the disk with them.
    """
    if not conf.update_backups:
        return None
    top = conf.home / OWN
    top.mkdir(mode=0o700, exist_ok=True)
    made = top / f"{_BEGINS}{datetime.now(UTC):%Y%m%d-%H%M%S}"
    made.mkdir(mode=0o700)
    try:
        back_up(made, with_files=False)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    _remove_old(top)
    return made


def _remove_old(top: Path) -> None:
    """Keep the newest; halves that nobody works on any more go too."""
    found = sorted(top.glob(f"{_BEGINS}*"))
    whole = [folder for folder in found if (folder / MANIFEST).exists()]
    halves = [
        folder
        for folder in found
        if folder not in whole and folder.stat().st_mtime < time.time() - HALF_KEPT_S
    ]
    for folder in [*whole[: -conf.update_backups], *halves]:
        shutil.rmtree(folder)
