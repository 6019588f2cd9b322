"""Tests that empty the tables of SQLite: past the triggers, which protect a service and no test.

The groups that a migration made are there again afterwards: tests come in any order.
``tests/services/postgres.py`` does the same in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import pytest
from django.apps import apps
from django.db.backends.sqlite3.operations import DatabaseOperations

from registry import append_only


def pytest_configure(config: pytest.Config) -> None:
    """From now on a flush takes the triggers away for its own duration."""
    flush = DatabaseOperations.execute_sql_flush

    def past_the_triggers(self: DatabaseOperations, sql_list: Iterable[str]) -> None:
        append_only.drop_triggers(self.connection)
        flush(self, sql_list)
        append_only.set_triggers(self.connection)
        import_module("registry.migrations.0002_groups").make_groups(apps, None)

    DatabaseOperations.execute_sql_flush = past_the_triggers
