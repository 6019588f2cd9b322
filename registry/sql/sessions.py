"""Plain: sessions with a database elsewhere, through ADBC; imported when the first is opened.

SQLite files are read without it.

Reading: one read-only transaction that sees one state of the database. What the session itself
enforces is no sandbox: a function that the query calls may do what its user may do.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from registry.sql.faults import source_errors
from registry.sql.place import Place
from registry.sql.sqlite_reading import sqlite_session

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
BATCH_BYTES = 4 << 20
_BATCHES = {"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
# The server's own time limit comes first, and says so in its words.
CANCEL_AFTER_S = 10.0
# libpq would look for a password in the home folder of whoever runs the worker.
_NO_PASSWORD_FILE = "/nonexistent/modelyard"  # noqa: S105 - a path that is not there


@dataclass(frozen=True, slots=True)
class Driver:
    """How to speak to one kind of database."""

    key: str
    title: str
    module: str
    writable: Callable[[Place], str]


def _postgresql(place: Place, options: Mapping[str, str]) -> str:
    settings = " ".join(f"-c {key}={value}" for key, value in options.items())
    parameters = {
        "application_name": "modelyard",
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "keepalives_idle": "30",
        "tcp_user_timeout": "60000",
        "passfile": _NO_PASSWORD_FILE,
        "options": settings,
    }
    added = "&".join(f"{key}={quote(value, safe='')}" for key, value in parameters.items())
    return f"{place.uri}{'&' if '?' in place.uri else '?'}{added}"


def _postgresql_readable(place: Place, deadline_s: float) -> str:
    return _postgresql(
        place,
        {
            "default_transaction_read_only": "on",
            "default_transaction_isolation": r"repeatable\ read",
            "statement_timeout": f"{max(1, int(deadline_s * 1000))}",
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
            "TimeZone": "UTC",
        },
    )


def _postgresql_writable(place: Place) -> str:
    return _postgresql(
        place,
        {
            "default_transaction_read_only": "off",
            "default_transaction_isolation": r"read\ committed",
            "statement_timeout": "120s",
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
            "TimeZone": "UTC",
        },
    )


def _sqlite_writable(place: Place) -> str:
    return f"file:{quote(place.uri)}?mode=rw"


DRIVERS: Mapping[str, Driver] = {
    "postgresql": Driver(
        "postgresql",
        "PostgreSQL",
        "adbc_driver_postgresql.dbapi",
        _postgresql_writable,
    ),
    "sqlite": Driver(
        "sqlite",
        "SQLite",
        "adbc_driver_sqlite.dbapi",
        _sqlite_writable,
    ),
}


@contextmanager
def reading(place: Place, *, deadline_s: float) -> Iterator[Any]:
    """A cursor in a read-only transaction, given up after ``deadline_s`` seconds.

    Of SQLite it is that of ``sqlite_session``, else ADBC's. Raises SourceAway and SourceRefused;
    what is done with the cursor raises the driver's errors.
    """
    if place.driver == "sqlite":
        with sqlite_session(place, deadline_s=deadline_s) as cursor:
            yield cursor
        return
    driver = DRIVERS[place.driver]
    dbapi = importlib.import_module(driver.module)
    with source_errors(place):
        session = dbapi.connect(_postgresql_readable(place, deadline_s))
    with session, session.cursor() as cursor, _cancelled(cursor, deadline_s + CANCEL_AFTER_S):
        cursor.adbc_statement.set_options(**_BATCHES)
        yield cursor


@contextmanager
def _cancelled(cursor: Any, after_s: float) -> Iterator[None]:
    """End what the cursor does when the time is over, whatever limit the session has.

    A query can call set_config, and the statement after it has no time limit any more.
    """

    def cancel() -> None:
        with suppress(Exception):  # what is cancelled has just ended, or its session has
            cursor.adbc_cancel()

    timer = threading.Timer(after_s, cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def writing(place: Place) -> Iterator[tuple[Any, Any]]:
    """A session and its cursor; nothing stays unless the caller commits. Raises the driver's."""
    driver = DRIVERS[place.driver]
    dbapi = importlib.import_module(driver.module)
    session = dbapi.connect(driver.writable(place))
    with session, session.cursor() as cursor:
        if driver.key == "sqlite":
            _lock_file(cursor)
        yield session, cursor


def _lock_file(cursor: Any) -> None:
    """Wait for the one who writes. The driver's own BEGIN would take the lock too late to wait."""
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_S * 1000}")
    cursor.fetchall()
    cursor.executemany("COMMIT", None)
    cursor.executemany("BEGIN IMMEDIATE", None)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
