"""Before an update changes tables the database is kept; one of a later release is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from registry.actions import backup_before_update
from registry.actions.backup_folder import MANIFEST, Manifest
from registry.management import preparation
from registry.models import User
from registry.supervisor.preflight import CannotStart

pytestmark = pytest.mark.django_db(transaction=True)
LATER = ("registry", "9999_of_tomorrow")


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Path:
    """A state folder of the test's own, where two backups are kept."""
    settings.MODELYARD_HOME = tmp_path
    settings.MODELYARD = {**settings.MODELYARD, "UPDATE_BACKUPS": 2}
    return tmp_path


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A migration waits; how often it was run."""
    runs: list[str] = []
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [("one", False)])
    monkeypatch.setattr(preparation, "call_command", lambda name, **_: runs.append(name))
    return runs


@pytest.fixture
def later() -> Iterator[None]:
    """The database has seen a migration that this code does not have."""
    recorder = MigrationRecorder(connection)
    recorder.record_applied(*LATER)
    yield
    recorder.record_unapplied(*LATER)


def kept(home: Path) -> list[Path]:
    return sorted((home / "backups").glob("before-update-*"))


def test_the_database_is_kept_before_it_is_migrated(
    home: Path, migrated: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    User.objects.create(username="olga")
    preparation.migrate()
    (folder,) = kept(home)
    manifest = Manifest.read(folder)
    assert {table.model: table.rows for table in manifest.tables}["registry.User"] == 1
    assert manifest.files is None
    assert str(folder) in capsys.readouterr().err
    assert migrated == ["migrate"]


def test_nothing_is_kept_where_nothing_is_to_be_migrated(home: Path) -> None:
    preparation.migrate()
    assert not (home / "backups").exists()


def test_only_the_last_backups_stay(home: Path, migrated: list[str]) -> None:
    for day in ("20260101", "20260102"):
        folder = home / "backups" / f"before-update-{day}-000000"
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}", encoding="utf-8")
    preparation.migrate()
    first, second = kept(home)
    assert first.name == "before-update-20260102-000000"
    assert (second / MANIFEST).exists()


def test_the_settings_may_want_none(home: Path, migrated: list[str], settings: Any) -> None:
    settings.MODELYARD = {**settings.MODELYARD, "UPDATE_BACKUPS": 0}
    preparation.migrate()
    assert kept(home) == []
    assert migrated == ["migrate"]


def test_without_a_backup_nothing_is_migrated(
    home: Path, migrated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_before_update, "back_up", full)
    with pytest.raises(CannotStart, match=r"No space left.*UPDATE_BACKUPS=0 updates without"):
        preparation.migrate()
    assert migrated == []


def test_a_database_of_a_later_release_is_refused_with_what_it_has_seen(
    home: Path, later: None
) -> None:
    with pytest.raises(CannotStart, match=r"newer than this code.*registry\.9999_of_tomorrow"):
        preparation.migrate()
    assert kept(home) == []
