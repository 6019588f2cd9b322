"""Migrated SQLite databases: the migrations run once, and whoever needs the tables takes a copy.

Once for all processes of pytest-xdist. What a first start does to an empty folder has its own test.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "modelyard.sqlite3"


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, and no row that the migrations do not write. Nobody opens it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    wanted = folder / "migrated.sqlite3"
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.exists():
            _migrate(folder / "migrating", wanted)
    return wanted


def _migrate(home: Path, wanted: Path) -> None:
    """By a process of its own, in the settings of a service."""
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": str(home)},
        check=True,
    )
    part = wanted.with_suffix(".part")
    with closing(sqlite3.connect(home / NAME)) as made, closing(sqlite3.connect(part)) as copy:
        made.backup(copy)
    part.rename(wanted)
    shutil.rmtree(home)


def with_tables(home: Path, migrated_database: Path) -> Path:
    """The state folder, with the tables that its first start would make."""
    shutil.copyfile(migrated_database, home / NAME)
    return home


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """There is a database before pytest-django makes one: see below."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
    migrated_database: Path,
    django_db_blocker: Any,
) -> Iterator[None]:
    """The database of this process, under the name that pytest-django would give it."""
    from django.db import connections

    shutil.copyfile(migrated_database, connections["default"].settings_dict["TEST"]["NAME"])
    yield
    with django_db_blocker.unblock():
        connections.close_all()
