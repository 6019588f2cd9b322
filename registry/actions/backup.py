"""Makes a backup: the database at one moment, and every file that it names then.

1. A session of its own keeps files from being removed until the end.
2. In one transaction that sees one moment, the rows of all tables are written, and the names of
   the files that they hold. Nobody waits for it.
3. The files are copied. They are never written anew under a name, so they may be copied later.
4. The manifest makes it whole.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.db import DatabaseError
from django.db.migrations.loader import MigrationLoader

from registry import audit, storage
from registry.actions.backup_faults import Damaged
from registry.actions.backup_folder import (
    ELSEWHERE,
    FILES,
    INCLUDED,
    SECRET,
    STORAGE,
    KeptFile,
    Listing,
    Manifest,
    TableFile,
    check,
    fits,
    for_the_owner,
    listed_files,
    new_folder,
    path_of,
)
from registry.actions.backup_sessions import (
    Applied,
    applied_migrations,
    models_after,
    session,
    tables_of,
)
from registry.actions.backup_tables import write_table
from registry.actions.held_files import held_names
from registry.conf import conf
from registry.storage.turns import files_stay


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database was at one moment."""

    engine: str
    applied: Applied
    tables: list[TableFile]


def back_up(
    folder: Path,
    *,
    with_files: bool = True,
    reuse: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Write a backup into a new or empty folder, while the service works.

    ``with_files`` false leaves the files of the storage out. ``reuse`` is an earlier backup on the
    same file system: files that it has are linked and not copied. Raises BackupRefused, StorageAway
    and OSError; what is written by then stays, and is no backup.
    """
    with for_the_owner():
        return _back_up(folder, with_files, reuse, tell)


def _back_up(
    folder: Path, with_files: bool, reuse: Path | None, tell: Callable[[str], None]
) -> Manifest:
    earlier = _files_of(reuse) if reuse is not None else {}
    new_folder(folder)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    names = folder / f"{FILES}.names"
    files, missing = None, list[str]()
    with session() as keeps, files_stay(keeps):
        seen = _see(folder, names)
        rows = sum(table.rows for table in seen.tables)
        tell(f"{rows} rows in {len(seen.tables)} tables")
        if with_files:
            with names.open(encoding="utf-8") as lines:
                copying = _Copying(folder, reuse, earlier)
                copying.copy_all(line.rstrip("\n") for line in lines)
            files, missing = copying.summary(), copying.missing
            tell(f"{copying.count} files, {copying.size} bytes")
    names.unlink()
    manifest = Manifest(
        made_at=made_at,
        engine=seen.engine,
        migrations=[list(key) for key in seen.applied],
        tables=seen.tables,
        files=files,
        secret=_copy_secret(folder),
        fingerprint=fingerprint(settings.SECRET_KEY),
        missing=missing,
    )
    manifest.write(folder)
    return manifest


def note_backup(made: Manifest, folder: Path) -> None:
    """Write into the audit trail that somebody took a copy of everything along.

    Tables of an earlier release may not take it: then the backup stays without a note.
    """
    after = {"folder": str(folder), "rows": made.rows, "files": made.files}
    with suppress(DatabaseError):
        audit.record(None, "backup.create", f"of {made.made_at}", after=after)


def fingerprint(secret_key: str) -> str:
    """Shows whether two secret keys are the same, and nothing else of them."""
    return hmac.digest(secret_key.encode(), b"modelyard.backup.v1", hashlib.sha256).hex()[:32]


def _see(folder: Path, names: Path) -> _Seen:
    """Write the rows of one moment, and the names of the files that they hold."""
    with session(is_snapshot=True) as sees, names.open("w", encoding="utf-8") as out:
        loader = MigrationLoader(sees)
        applied = applied_migrations(loader)
        apps = models_after(loader, applied)
        tables = [write_table(model, folder) for model in tables_of(apps)]
        out.writelines(f"{name}\n" for name in held_names(apps))
        return _Seen(sees.vendor, applied, tables)


class _Copying:
    """Copies files out of the storage, each once, and writes the list of them."""

    def __init__(self, folder: Path, reuse: Path | None, earlier: dict[str, KeptFile]) -> None:
        self._folder = folder
        self._reuse = reuse
        self._earlier = earlier
        self.count = self.size = 0
        self.missing: list[str] = []

    def copy_all(self, names: Iterable[str]) -> None:
        """Copy what is named; what is not there, or not whole, is noted as missing."""
        with (self._folder / FILES).open("w", encoding="utf-8") as listing:
            for name in names:
                self._copy_once(name, listing)

    def summary(self) -> Listing:
        """As the manifest has it."""
        sha256 = _digest_of(self._folder / FILES)
        return {"count": self.count, "bytes": self.size, "sha256": sha256}

    def _copy_once(self, name: str, listing: TextIO) -> None:
        try:
            path = path_of(self._folder, f"{STORAGE}/{name}")
        except Damaged:  # A row names what is no name of ours.
            self.missing.append(name)
            return
        if path.exists() or name in self.missing:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._linked(name, path) or _copied(name, path)
        if kept is None:
            self.missing.append(name)
            return
        listing.write(json.dumps(asdict(kept)) + "\n")
        self.count += 1
        self.size += kept.bytes

    def _linked(self, name: str, path: Path) -> KeptFile | None:
        kept = self._earlier.get(name)
        if kept is None or self._reuse is None:
            return None
        # It may have been damaged since: what is whole now is said to be whole.
        with suppress(OSError, Damaged):
            source = path_of(self._reuse, f"{STORAGE}/{name}")
            check(source, kept.sha256)
            os.link(source, path)
            return kept
        return None


def _copied(name: str, path: Path) -> KeptFile | None:
    """The copy, hashed as it is read; None where there is none, or its name says another digest."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("wb") as out:
            for chunk in storage.chunks_of(name):
                digest.update(chunk)
                size += out.write(chunk)
    except storage.BlobMissing:
        path.unlink()
        return None
    if not fits(name, digest.hexdigest()):
        path.unlink()
        return None
    return KeptFile(name, digest.hexdigest(), size)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_of(reuse: Path) -> dict[str, KeptFile]:
    return {kept.name: kept for kept in listed_files(reuse, Manifest.read(reuse))}


def _copy_secret(folder: Path) -> str:
    """Take the secret key along where it is kept in the state folder; where it is instead."""
    path = conf.home / "secret_key"
    try:
        is_used = path.read_text(encoding="ascii").strip() == settings.SECRET_KEY
    except OSError:
        is_used = False
    if not is_used:
        return ELSEWHERE
    shutil.copyfile(path, folder / SECRET)
    (folder / SECRET).chmod(0o600)
    return INCLUDED
