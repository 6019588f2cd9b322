"""Plain: what the drivers raise, as our own errors: away, refused, and never with a secret.

A driver raises its DB-API errors while a statement begins, and OSError while rows are streamed;
only the former carry an SQLSTATE (PostgreSQL, appendix A). SQLite's have a text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from registry.errors import SinkAway, SourceAway, SourceRefused
from registry.sql.place import Place

TEXT_MAX_CHARS = 300
RETRY_AFTER_S = 30

# reason -> (what it means, what to do about it). The reference page lists them from here.
REASONS: dict[str, tuple[str, str]] = {
    "not-a-query": (
        "the text is not one SELECT",
        "send one SELECT, VALUES or WITH query that changes nothing",
    ),
    "query-failed": (
        "the database refused the query",
        "correct the query; its own words are shown",
    ),
    "not-permitted": (
        "the database does not let this user in, or not at this",
        "correct the address, the secret or the rights of the role",
    ),
    "took-too-long": (
        "the query did not end in its time",
        "ask for less, or put an index under it",
    ),
    "no-files": ("no file lies under the prefix", "correct the prefix, or put the files there"),
}
# The database is away, starting, stopping or full of sessions: waiting helps.
_PASSING_STATES = ("08", "53", "57P", "40", "55P03")
_PERMITTED = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|no password supplied"
    r"|permission denied|is not permitted to log in|unable to open database file"
)
_TIMEOUT = re.compile(r"statement timeout|due to user request|57014|^interrupted$")
_BUSY = re.compile(r"database (table )?is locked|database schema is locked")
_PREFIX = re.compile(r"^(\[\w+\] |[A-Z_]+: (?=\[|Failed|failed)|Execution error \[\w+\]: )+")
_QUERY_ECHO = re.compile(r"\n\s*query( was)?: .*", re.DOTALL | re.IGNORECASE)


def refused(reason: str, found: str, **facts: Any) -> SourceRefused:
    """The error for a source as a whole, with what to do about it."""
    return SourceRefused(f"{found} What to do: {REASONS[reason][1]}.", reason=reason, **facts)


@contextmanager
def source_errors(place: Place) -> Iterator[None]:
    """What the driver raises inside becomes SourceAway or SourceRefused."""
    try:
        yield
    except (pa.ArrowException, OSError) as fault:
        raise source_error(place, fault) from None
    except Exception as fault:
        if not is_of_driver(fault):
            raise
        raise source_error(place, fault) from None


def source_error(place: Place, fault: BaseException) -> SourceAway | SourceRefused:
    """What a fault of the driver means to somebody who reads."""
    text = said(place, fault)
    if _TIMEOUT.search(text):
        return refused("took-too-long", "The query did not end in its time.")
    if _PERMITTED.search(text) and not _is_about_query(fault):
        return refused("not-permitted", f"The database refused: {text}.")
    if is_passing(fault, text):
        return SourceAway(f"The database does not answer: {text}.", retry_after_s=RETRY_AFTER_S)
    return refused("query-failed", f"The database refused the query: {text}.")


def sink_away(place: Place, fault: BaseException) -> SinkAway:
    """The error for a table that cannot be written to for now."""
    return SinkAway(f"The sink does not answer: {said(place, fault)}.", retry_after_s=RETRY_AFTER_S)


def said(place: Place, fault: BaseException) -> str:
    """The driver's words on one line, without the statement and without the secret."""
    text = _QUERY_ECHO.sub("", str(fault))
    text = _PREFIX.sub("", text)
    text = " ".join(place.without_secret(text).split()).rstrip(". ")
    return text[:TEXT_MAX_CHARS].replace("\0", "")


def is_passing(fault: BaseException, text: str) -> bool:
    """Whether waiting helps: the server is away, not the statement wrong."""
    state = state_of(fault)
    if state is not None:
        return state.startswith(_PASSING_STATES)
    if _BUSY.search(text):
        return True
    if isinstance(fault, pa.ArrowException):
        return False
    # Without a state: FATAL ends a session, ERROR a statement.
    if "FATAL:" in text or "Failed to connect" in text or "server closed" in text:
        return True
    return "connection" in text and "ERROR" not in text


def state_of(fault: BaseException) -> str | None:
    """The SQLSTATE, where the driver tells one."""
    state = getattr(fault, "sqlstate", None)
    return state.strip("\0") or None if isinstance(state, str) else None


def is_of_driver(fault: BaseException) -> bool:
    """Whether a driver raised it; said without importing ADBC."""
    return type(fault).__module__.split(".")[0].startswith(("adbc_driver", "sqlite3"))


def _is_about_query(fault: BaseException) -> bool:
    """A missing table is a matter of the query, a missing database is not."""
    state = state_of(fault)
    if state is not None:
        return not state.startswith(("28", "3D", "42501"))
    return "Failed to connect" not in str(fault) and "failed to open" not in str(fault)
