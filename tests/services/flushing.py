"""Tests that empty the tables of SQLite: past the triggers, which protect a service and no test.

The groups that a migration made are there again afterwards: tests come in any order. Content types
and permissions stay, as nobody changes them: to make them anew took longer than all the rest.
``tests/services/postgres.py`` does the same in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.test import TransactionTestCase

from registry import append_only

KEPT = ('"django_content_type"', '"auth_permission"')


def pytest_configure(config: pytest.Config) -> None:
    """From now on a flush takes the triggers away for its own duration."""
    flush = DatabaseOperations.execute_sql_flush

    def past_the_triggers(self: DatabaseOperations, sql_list: Iterable[str]) -> None:
        append_only.drop_triggers(self.connection)
        flush(self, [sql for sql in sql_list if not any(name in sql for name in KEPT)])
        append_only.set_triggers(self.connection)
        import_module("registry.migrations.0002_groups").make_groups(apps, None)

    DatabaseOperations.execute_sql_flush = past_the_triggers
    TransactionTestCase._fixture_teardown = _flush


def _flush(_: Any) -> None:
    """As Django does it, but for what is made after a migration."""
    call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
