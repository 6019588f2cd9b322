"""Each test of a query or a sink runs on both kinds of database where it asks for ``database``."""

from __future__ import annotations

import pytest

from tests.services.elsewhere import PostgresPlace, SqlitePlace


@pytest.fixture
def postgresql(postgres_elsewhere: PostgresPlace) -> PostgresPlace:
    return postgres_elsewhere


@pytest.fixture
def sqlite(sqlite_elsewhere: SqlitePlace) -> SqlitePlace:
    return sqlite_elsewhere


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> PostgresPlace | SqlitePlace:
    """Each of the two in turn."""
    return request.getfixturevalue(request.param)
