"""Sessions of their own for backup and restore, and the tables as a database has them.

A database may be older than this code: its tables are then those of an earlier release. Which they
are follows from the migrations that it has seen, so rows are read and written through the models
of that moment, on either engine alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from django.apps.registry import Apps
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import load_backend

from registry.actions.backup_faults import BackupIsNewer, DatabaseIsNewer, NothingThere

Applied = list[tuple[str, str]]
# The number of an advisory lock: "my" and a place in the list that `registry.storage.turns` begins.
_MIGRATING = 0x6D79_0002
_NO_LIMITS = (
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0"
)


@contextmanager
def session(*, is_snapshot: bool = False, file: Path | None = None) -> Iterator[Any]:
    """Another connection to the database, without limits of time: this thread's for the block.

    ``is_snapshot``: one transaction that sees one moment, whatever is written meanwhile, and keeps
    nobody from writing. ``file``: an SQLite file instead of the service's database.
    """
    entry = deepcopy(connections["default"].settings_dict) | {"CONN_HEALTH_CHECKS": False}
    if file is not None:
        entry["NAME"] = str(file)
    if entry["ENGINE"].endswith("sqlite3"):
        entry["OPTIONS"]["transaction_mode"] = "DEFERRED"
    elif is_snapshot:
        from psycopg import IsolationLevel

        entry["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
    with default_database(entry) as made:
        if made.vendor == "postgresql":
            with made.cursor() as cursor:
                cursor.execute(_NO_LIMITS)
        if not is_snapshot:
            yield made
        else:
            with transaction.atomic():
                yield made


@contextmanager
def turn_to_migrate() -> Iterator[None]:
    """One at a time changes the tables of a PostgreSQL database, from however many machines.

    An SQLite file is one machine's, where a state folder has one `up`.
    """
    if connections["default"].vendor != "postgresql":
        yield
        return
    with session() as keeps, keeps.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
        yield


@contextmanager
def default_database(entry: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    """For this thread ``default`` is what an entry of DATABASES says: every query goes there."""
    before = connections["default"]
    made = load_backend(entry["ENGINE"]).DatabaseWrapper(entry, "default")
    connections["default"] = made
    try:
        yield made
    finally:
        made.close()
        connections["default"] = before


def has_tables(loader: MigrationLoader) -> bool:
    """Whether a database has tables of ours. Raises DatabaseIsNewer."""
    try:
        return bool(applied_migrations(loader))
    except NothingThere:
        return False


def applied_migrations(loader: MigrationLoader) -> Applied:
    """What a database has seen, of the applications that this code has.

    Raises DatabaseIsNewer when it has seen what this code does not know, NothingThere for one
    without tables.
    """
    applied = sorted(key for key in loader.applied_migrations or () if _is_of_ours(loader, key))
    if unknown := [key for key in applied if key not in _known(loader)]:
        raise DatabaseIsNewer(unknown)
    if not applied:
        raise NothingThere
    return applied


def require_known(migrations: Iterable[Sequence[str]]) -> None:
    """Raise BackupIsNewer when a backup has seen migrations that this code does not have."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    unknown = [(app, name) for app, name in migrations if (app, name) not in _known(loader)]
    if unknown:
        raise BackupIsNewer(unknown)


def _is_of_ours(loader: MigrationLoader, key: tuple[str, str]) -> bool:
    """An application that is switched off now may have tables; they are not looked at."""
    return key[0] in loader.migrated_apps


def _known(loader: MigrationLoader) -> set[tuple[str, str]]:
    """What this code has, and what it has since made one migration of."""
    replaced = (key for one in loader.replacements.values() for key in one.replaces)
    return {*loader.disk_migrations, *replaced}


def models_after(loader: MigrationLoader, applied: Applied) -> Apps:
    """The models as they are after these migrations."""
    return loader.project_state(last_of(loader, applied)).apps


def last_of(loader: MigrationLoader, applied: Applied) -> Applied:
    """Those of the migrations that none of the others stands on."""
    have = {key for key in applied if key in loader.graph.nodes}
    return sorted(
        key
        for key in have
        if not any(child.key in have for child in loader.graph.node_map[key].children)
    )


def tables_of(apps: Apps) -> list[Any]:
    """The models that have a table of their own, by the name of the table."""
    found = (
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped
    )
    return sorted(found, key=lambda model: model._meta.db_table)


def make_tables(connection: BaseDatabaseWrapper, applied: Applied) -> Apps:
    """Make the tables as they are after these migrations, without a row, in an empty database.

    At once from the models of that moment, ten times as quickly as one migration after the other:
    no migration of ours or of a library writes SQL of its own, and the rows that some of them make
    are in the backup.
    """
    loader = MigrationLoader(connection)
    apps = models_after(loader, applied)
    with connection.schema_editor() as editor:
        for model in tables_of(apps):
            # The editor makes the tables of many-to-many fields along with their models.
            if not model._meta.auto_created:
                editor.create_model(model)
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    for app, name in applied:
        recorder.record_applied(app, name)
    # The editor has switched it on; the rows are checked when all are there.
    connection.disable_constraint_checking()
    return apps
