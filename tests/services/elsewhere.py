"""Databases elsewhere, to read from and write to: on a real PostgreSQL server, and SQLite files."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from registry.sql import Place
from tests.services.postgres import PostgresServer

_NUMBERS = itertools.count()


class PostgresPlace:
    """A database of its own on the server."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.name = f"elsewhere{next(_NUMBERS)}"
        with server.connect() as session:
            session.execute(f'CREATE DATABASE "{self.name}"')
        self.address = f"postgresql:///{self.name}?host={server.folder}&user=postgres"
        self.place = Place("postgresql", self.address)

    def run(self, *statements: str) -> list[tuple]:
        with self.server.connect(self.name) as session:
            for statement in statements:
                cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []


class SqlitePlace:
    """A file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"elsewhere{next(_NUMBERS)}.db"
        self.place = Place("sqlite", str(self.path))
        self.run("CREATE TABLE made (x)")

    def run(self, *statements: str) -> list[tuple]:
        with closing(sqlite3.connect(self.path)) as session, session:
            for statement in statements:
                rows = session.execute(statement).fetchall()
            return rows


@pytest.fixture(scope="session")
def _elsewhere(postgres_server: PostgresServer) -> PostgresPlace:
    return PostgresPlace(postgres_server)


@pytest.fixture
def postgres_elsewhere(_elsewhere: PostgresPlace) -> Iterator[PostgresPlace]:
    """A PostgreSQL database that is not ours, emptied afterwards."""
    yield _elsewhere
    _elsewhere.run(
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
    )


@pytest.fixture
def sqlite_elsewhere(tmp_path: Path) -> SqlitePlace:
    """A SQLite file that is not ours."""
    return SqlitePlace(tmp_path)
