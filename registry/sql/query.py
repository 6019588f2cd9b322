"""Plain: a query as it is run: one SELECT, inside of ours, so that nothing else can be said.

Inside of a FROM, COPY, SET, INSERT, ATTACH and their like are syntax errors, and so is a second
statement; the line break ends a comment that the query may end with.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import quote

from registry.sql.faults import refused
from registry.sql.place import Place

QUERY_MAX_CHARS = 20_000
# Of SQLite's authorizer: recursive WITH, which the module does not name.
_RECURSIVE = 33
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, _RECURSIVE}
)


def bare(query: str) -> str:
    """The query without blanks around it and a semicolon at its end. Raises SourceRefused."""
    text = query.strip().rstrip(";").rstrip()
    if not text or len(text) > QUERY_MAX_CHARS or "\0" in text:
        found = f"A query of 1 to {QUERY_MAX_CHARS:,} characters was expected."
        raise refused("not-a-query", found)
    return text


def wrapped(query: str) -> str:
    """The statement that is run for a query."""
    return f"SELECT * FROM (\n{query}\n) AS modelyard_query"


def check_sqlite(place: Place, query: str) -> None:
    """Have SQLite itself say that the query is one and only reads; nothing is run.

    Its ADBC driver runs the first of several statements and forgets the others without a word.
    Raises SourceRefused.
    """
    uri = f"file:{quote(place.uri)}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as session:
            session.set_authorizer(_only_reading)
            session.execute(f"EXPLAIN {wrapped(query)}").fetchall()
    except sqlite3.ProgrammingError:
        raise refused("not-a-query", "The text is more than one statement.") from None
    except sqlite3.Error as fault:
        text = place.without_secret(str(fault))[:200]
        if "unable to open" in text or "not a database" in text:
            raise refused("not-permitted", f"The file cannot be opened: {text}.") from None
        reason = "not-a-query" if "not authorized" in text else "query-failed"
        raise refused(reason, f"SQLite refused the query: {text}.") from None


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
