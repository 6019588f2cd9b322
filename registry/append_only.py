"""Triggers that keep the audit trail append-only: the database itself refuses what would alter it.

They are set after each migration, as SQLite drops a table's triggers whenever a migration remakes
the table. They hold for every program that speaks to the database, and not for its owner, who can
drop them: what was altered meanwhile shows in the chain (``registry/chain.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

TABLES: Final = ("registry_auditevent", "registry_auditseal")
# Columns that hold each value once: `REPLACE` would take away the row that is there, and SQLite
# fires no trigger for such a deletion.
_ONCE: Final = {
    "registry_auditevent": ("id",),
    "registry_auditseal": ("id", "event_id", "hash", "previous"),
}
_FUNCTION: Final = "registry_append_only"
_BODY: Final = "BEGIN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP; END"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger. ``sql`` makes it; on SQLite it is also the text that the database keeps."""

    name: str
    table: str
    sql: str


def missing(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The triggers that are not there, switched off, or other than they ought to be.

    Empty where the tables are not there yet.
    """
    there = _tables_there(connection)
    known = _on_postgresql(connection) if _is_postgresql(connection) else _on_sqlite(connection)
    wanted = _wanted(connection)
    return [one for one in wanted if one.table in there and known.get(one.name) != one.sql]


def set_triggers(connection: BaseDatabaseWrapper) -> None:
    """Make the ones that are missing. Safe to repeat, and by two at once."""
    lacking = missing(connection)
    if not lacking:
        return
    with connection.cursor() as cursor:
        if _is_postgresql(connection):
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql"
                f" AS $${_BODY}$$"
            )
        for one in lacking:
            cursor.execute(_dropping(connection, one))
            cursor.execute(one.sql)


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """Take them away: for a restore into this database, and for tests that empty tables."""
    there = _tables_there(connection)
    with connection.cursor() as cursor:
        for one in _wanted(connection):
            if one.table in there:
                cursor.execute(_dropping(connection, one))


def set_after_migrations(*, using: str, **_: Any) -> None:
    """Receiver of ``post_migrate``."""
    set_triggers(connections[using])


def _is_postgresql(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "postgresql"


def _tables_there(connection: BaseDatabaseWrapper) -> set[str]:
    return set(TABLES) & set(connection.introspection.table_names())


def _wanted(connection: BaseDatabaseWrapper) -> Iterator[Trigger]:
    for table in TABLES:
        yield from (_of_postgresql(table) if _is_postgresql(connection) else _of_sqlite(table))


def _of_sqlite(table: str) -> Iterator[Trigger]:
    for word in ("update", "delete"):
        name = f"{table}_no_{word}"
        refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {word} refused'); END"
        sql = f"CREATE TRIGGER {name} BEFORE {word.upper()} ON {table} {refusal}"
        yield Trigger(name, table, sql)
    name = f"{table}_no_replace"
    same = " OR ".join(f'"{column}" = NEW."{column}"' for column in _ONCE[table])
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: replace refused'); END"
    is_there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of ours
    sql = f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN {is_there} {refusal}"
    yield Trigger(name, table, sql)


def _of_postgresql(table: str) -> Iterator[Trigger]:
    # For each statement: TRUNCATE knows no rows.
    name = f"{table}_append_only"
    when = "BEFORE DELETE OR UPDATE OR TRUNCATE"
    yield Trigger(
        name,
        table,
        f"CREATE TRIGGER {name} {when} ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}()",
    )


def _on_sqlite(connection: BaseDatabaseWrapper) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return dict(cursor.fetchall())


def _on_postgresql(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Those that are switched on and call the function as it ought to be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname, pg_get_triggerdef(t.oid, true) FROM pg_trigger t"
            " JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND p.prosrc = %s",
            [_BODY],
        )
        return dict(cursor.fetchall())


def _dropping(connection: BaseDatabaseWrapper, one: Trigger) -> str:
    of_table = f" ON {one.table}" if _is_postgresql(connection) else ""
    return f"DROP TRIGGER IF EXISTS {one.name}{of_table}"
