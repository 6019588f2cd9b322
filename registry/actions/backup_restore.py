"""Brings a backup back: its files first, then the whole database in one step.

Files are named by what is in them, so those of the backup harm nobody before the database names
them. The database is made beside the present one (a file with SQLite, a transaction with
PostgreSQL) and takes its place at the end: a restore that is broken off has changed no row.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.apps import apps as present_apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import DatabaseError, IntegrityError, connections, transaction

from registry import storage
from registry.actions.backup import fingerprint
from registry.actions.backup_faults import BackupRefused, Damaged
from registry.actions.backup_folder import INCLUDED, SECRET, KeptFile, Manifest, check, listed_files
from registry.actions.backup_sessions import make_tables, require_known, session, tables_of
from registry.actions.backup_tables import read_table
from registry.actions.held_files import held_names
from registry.conf import conf

_READ_BYTES = 1 << 20
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, what it took the place of, and what to look at."""

    manifest: Manifest
    aside: list[Path]
    warnings: list[str]


def restore(
    folder: Path, *, is_forced: bool = False, tell: Callable[[str], None] = lambda line: None
) -> Restored:
    """Bring a backup back into an empty service; ``is_forced``: also into one that has something.

    No part of the service may run. The tables come out as the release had them that made the
    backup: migrate afterwards. Raises BackupRefused with the database as it was, and StorageAway.
    """
    manifest = Manifest.read(folder)
    require_known(manifest.migrations)
    for table in manifest.tables:
        check(folder / table.file, table.sha256)
    is_in_use = _has_somebody()
    if is_in_use and not is_forced:
        raise BackupRefused(
            "The database is not empty. Restore into an empty database and state folder, or give "
            "--force to put the backup in the place of what is there."
        )
    connections["default"].close()
    brought = sum(_bring_file(folder, kept) for kept in listed_files(folder, manifest))
    if manifest.files is not None:
        tell(f"{brought} files brought, {manifest.files['count'] - brought} were there")
    on = _replace_file if connections["default"].vendor == "sqlite" else _replace_tables
    aside, missing = on(folder, manifest, keeps_old=is_in_use)
    tell(f"{manifest.rows} rows in {len(manifest.tables)} tables")
    has_key = _brings_secret(manifest)
    if has_key:
        aside += _bring_secret(folder, keeps_old=is_in_use)
    return Restored(manifest, aside, list(_warnings(manifest, missing, has_key=has_key)))


def _has_somebody() -> bool:
    """Whether somebody has used the database; also one that is damaged so that nobody can say."""
    default = connections["default"]
    users = present_apps.get_model("registry.User")
    try:
        tables = default.introspection.table_names()
        return users._meta.db_table in tables and users.objects.exists()
    except DatabaseError:
        if default.vendor != "sqlite":
            raise
        return True


def _bring_file(folder: Path, kept: KeptFile) -> bool:
    """Put one file into the storage unless it has it; hashed on the way. Whether it was put."""
    if storage.exists(kept.name) and storage.size_of(kept.name) == kept.bytes:
        return False
    path, digest = folder / "storage" / kept.name, hashlib.sha256()
    with storage.scratch_file() as scratch:
        try:
            with path.open("rb") as file, storage.space_errors(), scratch.open("wb") as out:
                while chunk := file.read(_READ_BYTES):
                    digest.update(chunk)
                    out.write(chunk)
        except OSError as error:
            raise Damaged(path, f"cannot be read ({error.strerror})") from None
        if digest.hexdigest() != kept.sha256:
            raise Damaged(path, "has changed since it was written")
        storage.put_file(scratch, kept.name)
    return True


def _replace_file(
    folder: Path, manifest: Manifest, *, keeps_old: bool
) -> tuple[list[Path], list[str]]:
    """SQLite: fill a new file, put the present one aside, and rename."""
    target = Path(connections["default"].settings_dict["NAME"])
    half = target.with_name(f"{target.name}.restoring")
    for suffix in ("", "-wal", "-shm"):
        half.with_name(half.name + suffix).unlink(missing_ok=True)
    if target.exists():
        _require_unused(target)
    try:
        with session(file=half) as fresh:
            apps = make_tables(fresh, [(app, name) for app, name in manifest.migrations])
            with transaction.atomic():
                _load(folder, manifest, apps, fresh)
                fresh.check_constraints()
                missing = _missing(manifest, apps)
    except IntegrityError as error:
        raise BackupRefused(f"The rows of {folder} do not fit each other: {error}") from None
    half.chmod(0o600)
    aside = [_put_aside(target)] if keeps_old else []
    os.replace(half, target)
    return aside, missing


def _require_unused(path: Path) -> None:
    """Raise BackupRefused while another process has the file open; its log is written back."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as alone:
        try:
            mode = alone.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "wal"
        except sqlite3.DatabaseError:
            return  # Damaged: that is why somebody restores.
    if mode == "wal":
        raise BackupRefused(f"{path} is in use: end the service first, every part of it.")


def _replace_tables(
    folder: Path, manifest: Manifest, *, keeps_old: bool
) -> tuple[list[Path], list[str]]:
    """PostgreSQL: everything in one transaction, so that nobody ever sees a half.

    ``keeps_old`` is for the other engine: here nothing can be put aside.
    """
    del keeps_old
    with session() as own:
        _require_alone(own)
        try:
            with transaction.atomic():
                _drop_tables(own)
                apps = make_tables(own, [(app, name) for app, name in manifest.migrations])
                _load(folder, manifest, apps, own)
                with own.cursor() as cursor:
                    for statement in own.ops.sequence_reset_sql(no_style(), tables_of(apps)):
                        cursor.execute(statement)
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                missing = _missing(manifest, apps)
        except IntegrityError as error:
            raise BackupRefused(f"The rows of {folder} do not fit each other: {error}") from None
    return [], missing


def _require_alone(own: Any) -> None:
    with own.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = current_user AND pid <> pg_backend_pid()"
        )
        others = cursor.fetchone()[0]
    if others:
        raise BackupRefused(
            f"{others} other sessions use the database: end the service first, every part of it."
        )


def _drop_tables(own: Any) -> None:
    """Those of every application that was ever migrated here, also of a later release."""
    there = own.introspection.table_names()
    labels: list[str] = []
    if "django_migrations" in there:
        with own.cursor() as cursor:
            cursor.execute("SELECT DISTINCT app FROM django_migrations")
            labels = [row[0] for row in cursor.fetchall()]
    known = {model._meta.db_table for model in present_apps.get_models(include_auto_created=True)}
    known.add("django_migrations")
    ours = [t for t in there if t in known or any(t.startswith(f"{label}_") for label in labels)]
    if ours:
        with own.cursor() as cursor:
            cursor.execute(f"DROP TABLE {', '.join(map(own.ops.quote_name, ours))} CASCADE")


def _load(folder: Path, manifest: Manifest, apps: Any, into: Any) -> None:
    for kept in manifest.tables:
        read_table(apps.get_model(kept.model), kept, folder, into)


def _missing(manifest: Manifest, apps: Any) -> list[str]:
    """What the rows name and the storage does not have, where the backup brought no files."""
    if manifest.files is not None:
        return manifest.missing
    there = {found.name for top in ("blobs/", "batch/") for found in storage.listed(top)}
    return sorted({name for name in held_names(apps) if name not in there})


def _brings_secret(manifest: Manifest) -> bool:
    """Whether the key of the backup is to be used here: not where it is a setting."""
    is_kept = _is_kept(conf.home / SECRET)
    return manifest.secret == INCLUDED and is_kept and _is_other_key(manifest)


def _bring_secret(folder: Path, *, keeps_old: bool) -> list[Path]:
    """Put the secret key where it was; what was put aside for it."""
    path = conf.home / SECRET
    aside = [_put_aside(path)] if keeps_old else []
    half = path.with_name(f".{SECRET}.restoring")
    shutil.copyfile(folder / SECRET, half)
    half.chmod(0o600)
    os.replace(half, path)
    return aside


def _is_kept(path: Path) -> bool:
    """Whether the key that this process uses is the one in the state folder."""
    return path.exists() and path.read_text("ascii").strip() == settings.SECRET_KEY


def _is_other_key(manifest: Manifest) -> bool:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return manifest.fingerprint not in map(fingerprint, keys)


def _put_aside(path: Path) -> Path:
    """Give a file that is about to be replaced another name too: which."""
    at = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.name}.before-restore-{at}")
    os.link(path, aside)
    return aside


def _warnings(manifest: Manifest, missing: list[str], *, has_key: bool) -> Iterator[str]:
    """``has_key``: the key of the backup is used from the next start on."""
    if not has_key and _is_other_key(manifest):
        yield (
            "SECRET_KEY is another one than when the backup was made: everybody has to sign in "
            "again, and what it has sealed (secrets of connections and webhooks) can be read only "
            "with the earlier key in SECRET_KEY_FALLBACKS."
        )
    if missing:
        more = f", and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        yield f"{len(missing)} files are not there: {', '.join(missing[:SHOWN])}{more}."
