"""The database's clock: the one that every process of the ledger and of the schedules goes by."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection

# What Django's Now() is on each of them.
_NOW = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
    "postgresql": "SELECT STATEMENT_TIMESTAMP()",
}


def database_now() -> datetime:
    """Now, aware, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        (now,) = cursor.fetchone()
    if isinstance(now, str):
        return datetime.fromisoformat(now).replace(tzinfo=UTC)
    moment: datetime = now
    return moment.astimezone(UTC)
