"""Plain: a query as it is run: one SELECT, inside of ours, so that nothing else can be said.

Inside of a FROM, COPY, SET, INSERT, ATTACH and their like are syntax errors, and so is a second
statement; the line break ends a comment that the query may end with.
"""

from __future__ import annotations

from registry.sql.faults import refused

QUERY_MAX_CHARS = 20_000


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
