"""Brings a backup back: its files first, then the whole database in one step.

Files are named by what is in them, so those of the backup harm nobody before the database names
them. The database is made beside the present one (a file with SQLite, a transaction with
PostgreSQL) and takes its place at the end: a restore that is broken off has changed no row.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
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

from registry import append_only, storage
from registry.actions.backup import fingerprint
from registry.actions.backup_faults import BackupRefused, Damaged
from registry.actions.backup_folder import (
    INCLUDED,
    MANIFEST,
    SECRET,
    STORAGE,
    KeptFile,
    Manifest,
    check,
    listed_files,
    path_of,
)
from registry.actions.backup_sessions import make_tables, require_known, session, tables_of
from registry.actions.backup_tables import read_table
from registry.actions.held_files import held_names
from registry.actions.restore_begun import is_begun, restoring
from registry.conf import conf
from registry.storage.turns import files_stay

SHOWN = 5
ENDING_S = 2.0
# What SQLite writes beside a file.
_LOGS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, what it took the place of, and what to look at."""

    manifest: Manifest
    aside: list[Path]
    warnings: list[str]
    missing: list[str]


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
        check(path_of(folder, table.file), table.sha256)
    is_in_use = _has_somebody()
    if is_in_use and not is_forced and not is_begun(folder):
        raise BackupRefused(
            "The database is not empty. Restore into an empty database and state folder, or give "
            "--force to put the backup in the place of what is there."
        )
    connections["default"].close()
    with session() as own:
        _require_unused(own)
        with files_stay(own), restoring(folder):
            brought = sum(_bring_file(folder, kept) for kept in listed_files(folder, manifest))
            if manifest.files is not None:
                tell(f"{brought} files brought, {manifest.files['count'] - brought} were there")
            key = _ready_key(folder, manifest)
            on = _replace_file if own.vendor == "sqlite" else _replace_tables
            aside, missing = on(folder, manifest, own, keeps_old=is_in_use)
            tell(f"{manifest.rows} rows in {len(manifest.tables)} tables")
            if key is not None:
                aside += _replace_key(key, keeps_old=is_in_use)
            os.sync()
    warnings = list(_warnings(manifest, missing, has_key=key is not None))
    return Restored(manifest, aside, warnings, missing)


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
    is_there = storage.exists(kept.name)
    if is_there and storage.is_whole(kept.name, kept.sha256):
        return False
    with storage.scratch_file() as scratch:
        _copy_whole(path_of(folder, f"{STORAGE}/{kept.name}"), scratch, kept.sha256)
        if is_there:  # Damaged, and a put leaves alone what is there.
            storage.remove(kept.name)
        storage.put_file(scratch, kept.name)
    return True


def _copy_whole(path: Path, target: Path, sha256: str) -> None:
    """Raises Damaged for other bytes, StorageFull."""
    check(path, sha256)
    with storage.space_errors():
        shutil.copyfile(path, target)


def _replace_file(
    folder: Path, manifest: Manifest, own: Any, *, keeps_old: bool
) -> tuple[list[Path], list[str]]:
    """SQLite: fill a new file, put the present one aside, and rename."""
    target = Path(own.settings_dict["NAME"])
    half = target.with_name(f"{target.name}.restoring")
    _remove_with_logs(half)
    try:
        half.touch(mode=0o600)
        with session(file=half) as fresh:
            apps = _fill(folder, manifest, fresh)
            fresh.check_constraints()
            missing = _missing(apps)
        _require_unused(own)
        aside = [_put_aside(target)] if keeps_old else []
        os.replace(half, target)
    except IntegrityError as error:
        raise BackupRefused(f"The rows of {folder} do not fit each other: {error}") from None
    finally:
        _remove_with_logs(half)
    return aside, missing


def _remove_with_logs(path: Path) -> None:
    for suffix in ("", *_LOGS):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _require_unused(own: Any) -> None:
    """Raise BackupRefused while the service, or somebody else, uses the database.

    A service that was just told to end, and a session that was just closed, get a moment.
    """
    ends_s = time.monotonic() + ENDING_S
    while who := _in_use(own):
        if time.monotonic() > ends_s:
            raise BackupRefused(f"{who}: end the service first, every part of it.")
        time.sleep(0.05)


def _in_use(own: Any) -> str:
    """Who uses the database, in words; empty for nobody."""
    if own.vendor != "sqlite":
        others = _others(own)
        return f"{others} other sessions use the database" if others else ""
    path = Path(own.settings_dict["NAME"])
    return f"{path} is in use" if path.exists() and _is_open(path) else ""


def _is_open(path: Path) -> bool:
    """Whether somebody has it open; the log of an SQLite file is written back on the way."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as alone:
        try:
            mode = alone.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            return True
        except sqlite3.DatabaseError:
            return False  # Damaged: that is why somebody restores.
    return bool(mode == "wal")


def _replace_tables(
    folder: Path, manifest: Manifest, own: Any, *, keeps_old: bool
) -> tuple[list[Path], list[str]]:
    """PostgreSQL: everything in one transaction, so that nobody ever sees a half.

    ``keeps_old`` is for the other engine: here nothing can be put aside.
    """
    del keeps_old
    _require_unused(own)
    try:
        with transaction.atomic():
            _drop_tables(own)
            apps = _fill(folder, manifest, own)
            with own.cursor() as cursor:
                for statement in own.ops.sequence_reset_sql(no_style(), tables_of(apps)):
                    cursor.execute(statement)
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            missing = _missing(apps)
    except IntegrityError as error:
        raise BackupRefused(f"The rows of {folder} do not fit each other: {error}") from None
    return [], missing


def _others(own: Any) -> int:
    with own.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = current_user AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


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


def _fill(folder: Path, manifest: Manifest, into: Any) -> Any:
    """Make the tables of the backup in an empty database, whole: what guards them too."""
    apps = make_tables(into, [(app, name) for app, name in manifest.migrations])
    models = {model._meta.label: model for model in tables_of(apps)}
    if sorted(models) != sorted(kept.model for kept in manifest.tables):
        raise Damaged(folder / MANIFEST, "names other tables than its migrations make")
    with transaction.atomic():
        for kept in manifest.tables:
            model = models[kept.model]
            if sorted(kept.columns) != sorted(f.attname for f in model._meta.concrete_fields):
                raise Damaged(folder / MANIFEST, f"names other columns than {kept.model} has")
            read_table(model, kept, folder, into)
        append_only.set_triggers(into)
    return apps


def _missing(apps: Any) -> list[str]:
    """What the rows name and the storage does not have."""
    there = {found.name for top in ("blobs/", "batch/") for found in storage.listed(top)}
    return sorted({name for name in held_names(apps) if name not in there})


def _ready_key(folder: Path, manifest: Manifest) -> Path | None:
    """Lay the key of the backup beside the present one; None where that stays, or is a setting."""
    if manifest.secret != INCLUDED or not _is_kept(conf.home / SECRET):
        return None
    if not _is_other_key(manifest):
        return None
    path, half = path_of(folder, SECRET), conf.home / f".{SECRET}.restoring"
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise Damaged(path, f"cannot be read ({error})") from None
    if fingerprint(text) != manifest.fingerprint:
        raise Damaged(path, "is not the key that the backup was made with")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(text, encoding="ascii")
    return half


def _replace_key(half: Path, *, keeps_old: bool) -> list[Path]:
    """The last step; what was put aside for it."""
    path = conf.home / SECRET
    aside = [_put_aside(path)] if keeps_old else []
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
