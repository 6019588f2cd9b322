"""The services that tests lean on are real ones, and are left as they were found."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection


def test_valkey_is_a_real_and_empty_server(valkey: redis.Redis) -> None:
    assert valkey.dbsize() == 0
    cache.set("key", "value")
    assert cache.get("key") == "value"
    assert valkey.info("server")["server_name"] == "valkey"


@pytest.mark.postgres
@pytest.mark.parametrize("turn", [1, 2])
def test_a_marked_test_runs_on_an_empty_postgresql(turn: int) -> None:
    assert connection.vendor == "postgresql"
    users = get_user_model().objects
    assert users.count() == 0
    users.create(username="somebody")


@pytest.mark.postgres
def test_threads_of_a_marked_test_find_the_same_server() -> None:
    get_user_model().objects.create(username="somebody")
    seen: list[Any] = []

    def look() -> None:
        seen.append((connection.vendor, get_user_model().objects.count()))
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [("postgresql", 1)]


@pytest.mark.django_db
def test_an_ordinary_test_runs_on_sqlite_on_disk() -> None:
    assert connection.vendor == "sqlite"
    assert "test.sqlite3" in str(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)
