"""Plain: whether a database answers, and whether its user may do more than read."""

from __future__ import annotations

from registry.sql.faults import source_errors
from registry.sql.place import Place
from registry.sql.query import wrapped
from registry.sql.sessions import reading
from registry.sql.sqlite_reading import require_query

# A superuser may do anything; so may who may make tables, or change one.
_MAY_WRITE = (
    "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) "
    "OR EXISTS (SELECT 1 FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE') "
    "AND nspname !~ '^pg_(temp|toast)') "
    "OR EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') "
    "AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) AS may"
)


def try_reading(place: Place, *, deadline_s: float) -> None:
    """Ask for one row. Raises SourceAway and SourceRefused."""
    with reading(place, deadline_s=deadline_s) as cursor, source_errors(place):
        if place.driver == "sqlite":  # which looks at the file when it is first read from
            require_query(place, cursor, "SELECT count(*) FROM sqlite_master")
        cursor.execute(wrapped("SELECT 1 AS answer"))
        cursor.fetchall()


def may_write(place: Place, *, deadline_s: float) -> bool | None:
    """Whether the user may write somewhere; None where the database does not say."""
    if place.driver != "postgresql":
        return None
    with reading(place, deadline_s=deadline_s) as cursor, source_errors(place):
        cursor.execute(_MAY_WRITE)
        ((answer,),) = cursor.fetchall()
    return bool(answer)
