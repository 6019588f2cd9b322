"""A backup holds one moment, and comes back on either engine with every row and every file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import connections
from django.test import override_settings

from registry import storage
from registry.actions.backup import back_up
from registry.actions.backup_restore import restore
from registry.actions.backup_sessions import default_database
from registry.models import IdempotencyRecord, ModelVersion, User
from tests import things
from tests.people import owner
from tests.services.postgres import PostgresServer

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def database(**changes: Any) -> Iterator[Any]:
    """Another database is the default one for a while."""
    entry = deepcopy(connections["default"].settings_dict) | changes
    with default_database(entry) as made:
        yield made


@contextmanager
def empty_service(home: Path) -> Iterator[None]:
    """A state folder with nothing in it, and an SQLite database with nothing in it."""
    (home / "storage").mkdir(parents=True)
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": str(home / "storage")}
    default = settings.STORAGES["default"] | {"OPTIONS": options}
    with override_settings(MODELYARD_HOME=home, STORAGES=settings.STORAGES | {"default": default}):
        storages._storages.clear()
        try:
            with database(NAME=str(home / "new.sqlite3")):
                yield
        finally:
            storages._storages.clear()


def a_yard() -> ModelVersion:
    """A model, a dataset and what else has columns that are easily got wrong."""
    olga = owner()
    version = things.a_version(things.a_model(olga), olga, metrics={"auc": 0.1 + 0.2})
    sent = storage.put_bytes(things.model_bytes())
    assert sent.sha256 == version.artifact.sha256
    things.a_dataset_version(olga)
    IdempotencyRecord.objects.create(
        principal="user:1", route="r", key="k", body_sha256="0" * 64, body=bytes(range(256))
    )
    return version


def rows_of(folder: Path) -> dict[str, list[Any]]:
    """The rows of each table. PostgreSQL keeps the members of JSON in an order of its own."""
    return {
        path.name: [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        for path in (folder / "tables").iterdir()
    }


def test_every_row_and_file_comes_back_on_the_other_engine_and_home_again(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    version = a_yard()
    first = back_up(tmp_path / "first")
    assert first.missing == []
    postgres_server.connect().execute('CREATE DATABASE "restored"')
    entry = dict(ENGINE="django.db.backends.postgresql", NAME="restored", OPTIONS={})
    server = dict(HOST=str(postgres_server.folder), USER="postgres", PASSWORD="", PORT="")

    with database(**entry, **server):
        restore(tmp_path / "first")
        assert User.objects.create(username="later").pk > User.objects.get(username="olga").pk
        User.objects.get(username="later").delete()
        second = back_up(tmp_path / "second")
    with empty_service(tmp_path / "home"):
        restore(tmp_path / "second")
        third = back_up(tmp_path / "third")
        assert storage.read_blob(version.artifact.sha256) == things.model_bytes()
        assert ModelVersion.objects.get().metrics == {"auc": 0.1 + 0.2}
        assert bytes(IdempotencyRecord.objects.get().body) == bytes(range(256))

    assert (
        rows_of(tmp_path / "first") == rows_of(tmp_path / "second") == rows_of(tmp_path / "third")
    )
    assert [one.engine for one in (first, second, third)] == ["sqlite", "postgresql", "sqlite"]
    assert first.rows == third.rows > 0
    assert first.files == second.files == third.files
    assert first.migrations == third.migrations
