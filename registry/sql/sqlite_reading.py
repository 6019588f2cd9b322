"""Plain: a session that reads a SQLite file and can be ended in the middle of a step.

Not through ADBC, whose SQLite driver cannot be interrupted: a query that never comes to its next
row would keep its worker for ever. Here SQLite itself asks now and then whether to go on, refuses
whatever is not reading, and makes no cell that is larger than a cell may be.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from registry.sql.faults import refused, source_errors
from registry.sql.place import Place

BUSY_S = 30.0
CELL_MAX_BYTES = 64 << 20
# Matching takes time that grows with the pattern's length, and is one step.
PATTERN_MAX_BYTES = 1_000
# About a millisecond of steps.
_STEPS = 20_000
# Of SQLite's authorizer: recursive WITH, which the module does not name.
_RECURSIVE = 33
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, _RECURSIVE}
)


@contextmanager
def sqlite_session(place: Place, *, deadline_s: float) -> Iterator[sqlite3.Cursor]:
    """A cursor in one transaction that sees one state of the file; texts come as bytes.

    What is asked with it must be reading, and ends with sqlite3.OperationalError ``interrupted``
    after ``deadline_s`` seconds. Raises SourceAway and SourceRefused.
    """
    ends_at = time.monotonic() + deadline_s
    with source_errors(place):
        try:
            # Another thread than this one may read ahead; never two at once.
            session = sqlite3.connect(
                f"file:{quote(place.uri)}?mode=ro",
                uri=True,
                timeout=min(BUSY_S, deadline_s),
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as fault:
            raise _not_opened(place, fault) from None
    with closing(session):
        session.text_factory = bytes
        session.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_MAX_BYTES)
        session.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_MAX_BYTES)
        session.execute("BEGIN")
        session.set_authorizer(_only_reading)
        session.set_progress_handler(lambda: time.monotonic() > ends_at, _STEPS)
        yield session.cursor()


def require_query(place: Place, cursor: sqlite3.Cursor, statement: str) -> None:
    """Have SQLite say that the statement is one and only reads; nothing of it is run.

    Raises SourceRefused and SourceAway.
    """
    try:
        cursor.execute(f"EXPLAIN {statement}").fetchall()
    except sqlite3.ProgrammingError:
        raise refused("not-a-query", "The text is more than one statement.") from None
    except sqlite3.DatabaseError as fault:
        text = place.without_secret(str(fault))[:200]
        if "not authorized" in text:
            raise refused("not-a-query", f"SQLite refused the query: {text}.") from None
        if "unable to open" in text or "not a database" in text:
            raise _not_opened(place, fault) from None
        with source_errors(place):
            raise


def _not_opened(place: Place, fault: sqlite3.Error) -> Exception:
    text = place.without_secret(str(fault))[:200]
    return refused("not-permitted", f"The file cannot be opened: {text}.")


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
