"""A backup holds one moment, and comes back on either engine with every row and every file."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from config.env import Environment
from registry import storage
from registry.actions import backup, backup_restore, backup_tables
from registry.actions.audit_check import Walk, missing_triggers, whole_trail
from registry.actions.backup import back_up
from registry.actions.backup_faults import BackupRefused, Damaged, DatabaseIsNewer, NotABackup
from registry.actions.backup_folder import KeptFile, Manifest, listed_files
from registry.actions.backup_restore import restore
from registry.actions.backup_sessions import default_database
from registry.actions.pruning import prune_in_background
from registry.actions.sealer import seal_waiting
from registry.conf import conf
from registry.management import preparation
from registry.models import (
    Artifact,
    AuditEvent,
    AuditSeal,
    IdempotencyRecord,
    ModelVersion,
    User,
)
from registry.storage.turns import may_remove_files
from registry.supervisor.preflight import CannotStart
from tests import things
from tests.people import Person, owner
from tests.services.postgres import PostgresServer
from tests.services.processes import wait_until
from tests.services.s3 import running_s3

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("only_our_files"),
]


@pytest.fixture(autouse=True)
def a_file_of_its_own(
    request: pytest.FixtureRequest,
    transactional_db: None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """On SQLite a database that nobody in this process has had open, in every thread."""
    if request.node.get_closest_marker("postgres"):
        yield
        return
    present, name = connections["default"].settings_dict, connections.settings["default"]["NAME"]
    own = tmp_path_factory.mktemp("own") / "own.sqlite3"
    with closing(sqlite3.connect(present["NAME"])) as one, closing(sqlite3.connect(own)) as other:
        one.backup(other)
    assert name == present["NAME"]
    monkeypatch.setitem(connections.settings["default"], "NAME", str(own))
    with database(NAME=str(own)):
        yield


@contextmanager
def database(**changes: Any) -> Iterator[Any]:
    """Another database is the default one for a while."""
    entry = deepcopy(connections["default"].settings_dict) | changes
    with default_database(entry) as made:
        yield made


@contextmanager
def empty_service(home: Path, *, secret_key: str = "", has_rows: bool = False) -> Iterator[None]:
    """A state folder with nothing but maybe a key, and an SQLite database with nothing in it.

    ``has_rows``: a copy of the present one in its place, and none of the files.
    """
    new = home / "new.sqlite3"
    (home / "storage").mkdir(parents=True)
    if has_rows:
        present = connections["default"].settings_dict["NAME"]
        with closing(sqlite3.connect(present)) as one, closing(sqlite3.connect(new)) as other:
            one.backup(other)
    if secret_key:
        (home / "secret_key").write_text(secret_key, encoding="ascii")
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": str(home / "storage")}
    default = settings.STORAGES["default"] | {"OPTIONS": options}
    with (
        override_settings(
            MODELYARD_HOME=home,
            SECRET_KEY=secret_key or settings.SECRET_KEY,
            STORAGES=settings.STORAGES | {"default": default},
        ),
        database(NAME=str(new)),
    ):
        yield


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


def a_version_of_its_own(olga: Person, number: int) -> None:
    """What an upload does: bytes first, then the rows that name them, in one transaction.

    Every other one was rejected long ago, and its bytes may go at once.
    """
    name = f"model-{number}"
    is_old = number % 2 == 1
    status = "rejected" if is_old else "pending"
    version = things.a_version(things.a_model(olga, name), olga, seed=name, status=status)
    if is_old:
        ModelVersion.objects.filter(pk=version.pk).update(
            settled_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        os.utime(storage.local_path(storage.blob_name(version.artifact.sha256)), (1, 1))


def prune_until(is_over: threading.Event) -> None:
    """What is pruned over and over again, as far as it may be."""
    try:
        while not is_over.is_set():
            prune_in_background()
            is_over.wait(0.01)
    finally:
        connections["default"].close()


@contextmanager
def uploads_going_on(olga: Person) -> Iterator[Callable[[], int]]:
    """A thread registers one version after the other, another prunes; how many there are by now."""
    made: list[int] = []
    is_over = threading.Event()

    def upload() -> None:
        try:
            while not is_over.is_set():
                a_version_of_its_own(olga, len(made))
                made.append(len(made))
        finally:
            connections["default"].close()

    threads = [
        threading.Thread(target=upload),
        threading.Thread(target=prune_until, args=[is_over]),
    ]
    for thread in threads:
        thread.start()
    try:
        yield lambda: len(made)
    finally:
        is_over.set()
        for thread in threads:
            thread.join(30)


def table(folder: Path, model: str) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    kept = next(one for one in Manifest.read(folder).tables if one.model == model)
    lines = gzip.decompress((folder / kept.file).read_bytes()).splitlines()
    return [dict(zip(kept.columns, json.loads(line), strict=True)) for line in lines]


def holds_one_moment(folder: Path, olga: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back up while somebody uploads: rows fit each other, and every file that they name is there.

    Bytes are let go and files removed all the time. Something is uploaded between the tables, and
    between the rows and the files.
    """
    write = backup.write_table
    with uploads_going_on(olga) as count:
        gone = Artifact.objects.filter(gone_at__isnull=False)
        wait_until(lambda: count() > 2 and gone.exists(), 30, "uploads, and one that was let go")

        def while_others_write(model: Any, into: Path) -> Any:
            if model._meta.model_name in ("modelversion", "registeredmodel"):
                seen = count()
                wait_until(lambda: count() > seen, 30, "an upload in between")
            return write(model, into)

        monkeypatch.setattr(backup, "write_table", while_others_write)
        made = back_up(folder)
        before_the_end = count()
    models, versions = (table(folder, f"registry.{m}") for m in ("RegisteredModel", "ModelVersion"))
    events = [row["action"] for row in table(folder, "registry.AuditEvent")]
    assert 2 < len(versions) < before_the_end
    assert {row["model_id"] for row in versions} <= {row["id"] for row in models}
    assert events.count("version.register") == len(versions)
    assert events.count("model.create") == len(models)
    artifacts = table(folder, "registry.Artifact")
    digests = {row["sha256"] for row in artifacts if row["gone_at"] is None}
    assert len(digests) < len(artifacts)
    kept = {one.name for one in listed_files(folder, made)}
    assert kept == {storage.blob_name(sha256) for sha256 in digests}
    assert made.missing == []
    for sha256 in digests:
        path = folder / "storage" / storage.blob_name(sha256)
        assert things.sha256(path.read_bytes()) == sha256


def test_a_backup_beside_uploads_holds_one_moment_of_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_one_moment(tmp_path / "kept", owner(), monkeypatch)


@pytest.mark.postgres
def test_a_backup_beside_uploads_holds_one_moment_of_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_one_moment(tmp_path / "kept", owner(), monkeypatch)


def test_files_of_a_folder_are_brought_into_a_bucket_and_back(tmp_path: Path) -> None:
    version = a_yard()
    made = back_up(tmp_path / "first")
    name = storage.blob_name(version.artifact.sha256)
    with (
        running_s3() as server,
        override_settings(STORAGES=settings.STORAGES | {"default": server.as_storage()}),
    ):
        preparation.ensure_bucket()
        restore(tmp_path / "first", is_forced=True)
        storage.remove(name)
        with storage.scratch_file() as damaged:
            damaged.write_bytes(b"x" * len(things.model_bytes()))
            storage.put_file(damaged, name)
        told: list[str] = []
        assert restore(tmp_path / "first", is_forced=True, tell=told.append).missing == []
        assert "1 files brought, 2 were there" in told
        assert storage.read_blob(version.artifact.sha256) == things.model_bytes()
        assert back_up(tmp_path / "second").files == made.files


def tables_and_indexes() -> dict[str, Any]:
    """What the default database is made of: columns with their types, constraints, indexes."""
    described = {}
    with connections["default"].cursor() as cursor:
        about = connections["default"].introspection
        for name in about.table_names(cursor):
            columns = about.get_table_description(cursor, name)
            constraints = about.get_constraints(cursor, name)
            described[name] = (
                sorted((one.name, one.type_code, one.null_ok, one.default) for one in columns),
                sorted(_without_a_name(one) for one in constraints.values()),
            )
    return described


def _without_a_name(constraint: dict[str, Any]) -> str:
    """SQLite numbers some of them."""
    return json.dumps(constraint, sort_keys=True, default=str)


def test_every_row_and_file_comes_back_on_the_other_engine_and_home_again(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    version = a_yard()
    seal_waiting()
    first = back_up(tmp_path / "first")
    assert first.missing == []
    with postgres_server.connect() as session:
        session.execute('CREATE DATABASE "restored"')
    entry = Environment({"DATABASE_URL": postgres_server.url("restored")}).database("DATABASE_URL")

    assert entry is not None
    with database(**{"OPTIONS": {}, **entry}):
        restore(tmp_path / "first")
        with pytest.raises(BackupRefused, match="The database is not empty"):
            restore(tmp_path / "first")
        assert User.objects.create(username="later").pk > User.objects.get(username="olga").pk
        User.objects.get(username="later").delete()
        second = back_up(tmp_path / "second")
    schema = tables_and_indexes()
    with empty_service(tmp_path / "home"):
        assert restore(tmp_path / "second").aside == []
        assert tables_and_indexes() == schema
        third = back_up(tmp_path / "third")
        call_command("migrate", verbosity=0)
        assert list(whole_trail(Walk())) == []
        assert AuditSeal.objects.exists()
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


def test_what_was_there_is_put_aside_and_the_key_comes_back(tmp_path: Path) -> None:
    a_yard()
    with empty_service(tmp_path / "home", secret_key="the key of then" * 5, has_rows=True):
        made = back_up(tmp_path / "kept")
        assert made.secret == "included"
        assert (tmp_path / "kept/secret_key").stat().st_mode & 0o777 == 0o600
        User.objects.create(username="later")
        (tmp_path / "home/secret_key").write_text("another key" * 6, encoding="ascii")
        with override_settings(SECRET_KEY="another key" * 6):
            done = restore(tmp_path / "kept", is_forced=True)
        assert [user.username for user in User.objects.all()] == ["olga"]
        assert (tmp_path / "home/secret_key").read_text() == "the key of then" * 5
        database_aside, key_aside = done.aside
        assert key_aside.read_text() == "another key" * 6
        with database(NAME=str(database_aside)):
            assert User.objects.filter(username="later").exists()
    (warning,) = done.warnings
    assert "files are not there: blobs/" in warning


def test_a_database_in_use_is_not_replaced(tmp_path: Path) -> None:
    a_yard()
    back_up(tmp_path / "kept")
    with closing(sqlite3.connect(connections["default"].settings_dict["NAME"])) as other:
        other.execute("SELECT count(*) FROM registry_user").fetchone()
        with pytest.raises(BackupRefused, match="is in use: end the service first"):
            restore(tmp_path / "kept", is_forced=True)
    assert User.objects.filter(username="olga").exists()


@pytest.mark.postgres
def test_a_database_with_other_sessions_is_not_replaced(tmp_path: Path) -> None:
    a_yard()
    back_up(tmp_path / "kept")
    with default_database(connections["default"].settings_dict) as other:
        other.ensure_connection()
        connections["default"] = connections.create_connection("default")
        with pytest.raises(BackupRefused, match="other sessions use the database"):
            restore(tmp_path / "kept", is_forced=True)
        connections["default"].close()
    assert User.objects.filter(username="olga").exists()


def test_a_backup_that_was_broken_off_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_yard()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup, "_copied", killed)
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "half")
    for use in (restore, lambda folder: back_up(tmp_path / "next", reuse=folder)):
        with pytest.raises(NotABackup, match="or one that was broken off"):
            use(tmp_path / "half")
    with pytest.raises(BackupRefused, match="is not empty"):
        back_up(tmp_path / "half")
    with pytest.raises(BackupRefused, match="where the service removes files"):
        back_up(conf.home / "storage/blobs/../kept")
    with may_remove_files() as is_free:
        assert is_free


@pytest.mark.parametrize("which", ["tables/registry_user.jsonl.gz", "files.jsonl", "storage"])
def test_what_has_changed_since_is_refused_before_a_row_is_touched(
    tmp_path: Path, which: str
) -> None:
    version = a_yard()
    back_up(tmp_path / "kept")
    path = tmp_path / "kept" / which
    if path.is_dir():
        name = storage.blob_name(version.artifact.sha256)
        storage.remove(name)
        path = path / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Damaged, match=f"{path.name} has changed since it was written"):
        restore(tmp_path / "kept", is_forced=True)
    assert User.objects.filter(username="olga").exists()
    assert not list(Path(connections["default"].settings_dict["NAME"]).parent.glob("*.before-*"))


def say_files(folder: Path, made: Manifest, line: str) -> None:
    """A list of files with this line alone, and a manifest that agrees."""
    (folder / "files.jsonl").write_text(line, encoding="utf-8")
    assert made.files is not None
    made.files["sha256"] = things.sha256(line.encode())
    made.write(folder)


def lists(name: object, sha256: object = "0" * 64) -> Callable[[Path, Manifest], None]:
    line = json.dumps({"name": name, "sha256": sha256, "bytes": 1}) + "\n"
    return lambda folder, made: say_files(folder, made, line)


def as_link(name: str) -> Callable[[Path, Manifest], None]:
    """What the file, or the folder, is a link to has all that was there."""

    def change(folder: Path, _: Manifest) -> None:
        path = folder / name
        path.rename(folder.parent / "elsewhere")
        path.symlink_to(folder.parent / "elsewhere")

    return change


def says(**changes: Any) -> Callable[[Path, Manifest], None]:
    """The manifest says something else; with ``tables`` its first table does."""

    def change(folder: Path, _: Manifest) -> None:
        path = folder / "manifest.json"
        said = json.loads(path.read_text())
        for name, value in changes.items():
            if name == "table":
                said["tables"][0] |= value
            elif value is None:
                del said[name]
            else:
                said[name] = value
        path.write_text(json.dumps(said))

    return change


def has_rows(model: str, rows: bytes) -> Callable[[Path, Manifest], None]:
    """A table has these rows, and digest and count agree."""

    def change(folder: Path, made: Manifest) -> None:
        kept = next(one for one in made.tables if one.model == model)
        packed = gzip.compress(rows)
        (folder / kept.file).write_bytes(packed)
        changed = replace(kept, rows=1, sha256=things.sha256(packed))
        tables = [changed if one is kept else one for one in made.tables]
        replace(made, tables=tables).write(folder)

    return change


TAMPERED = [
    (lists("../../outside"), r"names 'storage/\.\./\.\./outside'"),
    (lists("/etc/hostname"), "names 'storage//etc/hostname'"),
    (lists("blobs//x"), "names 'storage/blobs//x'"),
    (lists("blobs/\0x"), "names"),
    (lists("batch/nothing-there"), "nothing-there is not there"),
    (lists(7), "a line that names no file"),
    (lists("blobs/ab/" + "ab" * 32), "the digest of other bytes"),
    (lambda folder, made: say_files(folder, made, "[" * 100_000), "a line that names no file"),
    (as_link("storage"), "is a link, which no backup has"),
    (as_link("tables/registry_user.jsonl.gz"), "is a link, which no backup has"),
    (says(table={"file": "../tables/registry_user.jsonl.gz"}), "names '../tables"),
    (says(table={"file": "/dev/zero"}), "names '/dev/zero'"),
    (says(table={"file": "tables"}), "tables is no file"),
    (says(table={"model": "nobody.Knows"}), "other tables than its migrations make"),
    (says(table={"columns": ["id", "more"]}), "other columns than"),
    (says(table={"rows": 7_000_000}), "rows where 7000000 were written"),
    (says(table={"rows": "many"}), "is not a backup's"),
    (says(tables=[]), "other tables than its migrations make"),
    (says(files=7), "is not a backup's"),
    (says(migrations="all"), "is not a backup's"),
    (says(format=None), "is not a backup's"),
    (says(format=2), "format 2 by another release"),
    (says(fingerprint=None), "is not a backup's"),
    (has_rows("registry.User", b"{}\n"), "does not fit the table"),
    (has_rows("registry.User", b"[" * 100_000), "cannot be read"),
    (has_rows("registry.Grant", b"7\n"), "does not fit the table"),
    (has_rows("registry.IdempotencyRecord", b'["x", 1]\n'), "does not fit the table"),
    (has_rows("sessions.Session", b'["k", "d", "no time"]\n'), "does not fit the table"),
]


def test_a_backup_that_was_tampered_with_is_refused_and_nothing_has_changed(
    tmp_path: Path,
) -> None:
    """Each in turn, with one backup: digests agree with what was put into it."""
    a_yard()
    back_up(tmp_path / "kept")
    for number, (tamper, why) in enumerate(TAMPERED):
        folder = tmp_path / str(number) / "kept"
        shutil.copytree(tmp_path / "kept", folder)
        tamper(folder, Manifest.read(folder))
        with pytest.raises(BackupRefused, match=why):
            pytest.fail(f"{number} was restored: {restore(folder, is_forced=True).warnings}")
    home = Path(connections["default"].settings_dict["NAME"]).parent
    assert User.objects.filter(username="olga").exists()
    assert not [path for path in home.iterdir() if "restor" in path.name]


def test_files_that_the_storage_lacks_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = a_yard()
    name = storage.blob_name(version.artifact.sha256)
    storage.remove(name)
    with pytest.raises(CommandError, match=f"1 files are missing or damaged.*\n  {name}") as error:
        call_command("backup", str(tmp_path / "kept"))
    assert error.value.returncode == 1
    assert Manifest.read(tmp_path / "kept").missing == [name]
    assert "rows in" in capsys.readouterr().out


def test_a_file_whose_bytes_have_changed_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    version = a_yard()
    name = storage.blob_name(version.artifact.sha256)
    storage.local_path(name).write_bytes(b"something else")
    assert back_up(tmp_path / "kept").missing == [name]
    assert not (tmp_path / "kept/storage" / name).exists()


def test_an_earlier_backup_is_linked_to(tmp_path: Path) -> None:
    version = a_yard()
    first, *later = (tmp_path / name for name in ("first", "second", "third"))
    back_up(first)
    name = storage.blob_name(version.artifact.sha256)
    for folder, is_linked in zip(later, (True, False), strict=True):
        made = back_up(folder, reuse=first)
        assert made.files == Manifest.read(first).files
        assert (first / "storage" / name).samefile(folder / "storage" / name) is is_linked
        assert things.sha256((folder / "storage" / name).read_bytes()) == version.artifact.sha256
        # Damaged since: what is said to be whole is copied anew, and the other is left alone.
        (first / "storage" / name).unlink()
        (first / "storage" / name).write_bytes(b"x" * len(things.model_bytes()))


def test_files_are_not_removed_while_they_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_yard()
    copy, could = backup._copied, []

    def looked_at(name: str, path: Path) -> KeptFile | None:
        with may_remove_files() as is_free:
            could.append(is_free)
        return copy(name, path)

    monkeypatch.setattr(backup, "_copied", looked_at)
    back_up(tmp_path / "kept")
    assert could
    assert not any(could)


def test_a_database_of_a_later_release_is_not_backed_up_by_halves(tmp_path: Path) -> None:
    recorder = MigrationRecorder(connections["default"])
    recorder.record_applied("registry", "9999_of_tomorrow")
    try:
        with pytest.raises(DatabaseIsNewer, match=r"registry\.9999_of_tomorrow"):
            back_up(tmp_path / "kept")
    finally:
        recorder.record_unapplied("registry", "9999_of_tomorrow")


def test_a_backup_of_a_later_release_is_refused(tmp_path: Path) -> None:
    a_yard()
    made = back_up(tmp_path / "kept")
    made.migrations.append(["serving", "9999_of_tomorrow"])
    made.write(tmp_path / "kept")
    with pytest.raises(BackupRefused, match="The backup is newer than this code"):
        restore(tmp_path / "kept", is_forced=True)


def test_a_copy_of_everything_leaves_an_event_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_yard()
    call_command("backup", str(tmp_path / "kept"))
    event = AuditEvent.objects.get(action="backup.create")
    assert event.after["folder"] == str(tmp_path / "kept")
    assert event.after["rows"] == Manifest.read(tmp_path / "kept").rows
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "kept").rglob("*")}
    assert modes == {0}
    assert f"backup in {tmp_path / 'kept'}" in capsys.readouterr().out


def test_the_command_restores_migrates_and_leaves_an_event(tmp_path: Path) -> None:
    a_yard()
    made = back_up(tmp_path / "kept")
    with empty_service(tmp_path / "home"):
        (tmp_path / "home/run").mkdir()
        call_command("restore", str(tmp_path / "kept"))
        event = AuditEvent.objects.get(action="backup.restore")
        assert event.object_name == f"of {made.made_at}"
        assert ModelVersion.objects.count() == 1
        assert list(missing_triggers()) == []


def test_a_database_that_cannot_be_read_any_more_is_replaced_when_told_to(tmp_path: Path) -> None:
    a_yard()
    back_up(tmp_path / "kept")
    with empty_service(tmp_path / "home"):
        (tmp_path / "home/new.sqlite3").write_bytes(b"no database" * 1_000)
        with pytest.raises(BackupRefused, match="The database is not empty"):
            restore(tmp_path / "kept")
        (aside,) = restore(tmp_path / "kept", is_forced=True).aside
        assert aside.read_bytes().startswith(b"no database")
        assert ModelVersion.objects.count() == 1
        with connections["default"].cursor() as cursor:
            assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_files_that_were_damaged_in_the_storage_are_mended(tmp_path: Path) -> None:
    version = a_yard()
    back_up(tmp_path / "kept")
    path = storage.local_path(storage.blob_name(version.artifact.sha256))
    for damage in (b"x" * path.stat().st_size, b"short"):
        path.write_bytes(damage)
        told: list[str] = []
        restore(tmp_path / "kept", is_forced=True, tell=told.append)
        assert path.read_bytes() == things.model_bytes()
        assert "1 files brought, 2 were there" in told


class Killed(BaseException):
    """The end of a process, as far as a test can have it."""


@pytest.mark.parametrize(
    "place", ["listed_files", "_ready_key", "make_tables", "read_table", "_missing", "_replace_key"]
)
def test_a_restore_that_was_killed_lets_nothing_start_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    a_yard()
    with empty_service(tmp_path / "home", secret_key="the key of then" * 5, has_rows=True):
        back_up(tmp_path / "kept")
    with empty_service(tmp_path / "other", secret_key="another key" * 6):

        def killed(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(backup_restore, place, killed)
            with pytest.raises(Killed):
                restore(tmp_path / "kept")
        with pytest.raises(CannotStart, match=r"was broken off: run `manage\.py restore"):
            preparation.migrate()
        with pytest.raises(CommandError, match="was broken off"):
            call_command("part", "worker")
        restore(tmp_path / "kept")
        assert [user.username for user in User.objects.all()] == ["olga"]
        assert (tmp_path / "other/secret_key").read_text() == "the key of then" * 5
        assert list(missing_triggers()) == []
        preparation.migrate()


def test_a_restore_without_room_says_so_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_yard()
    back_up(tmp_path / "kept")

    def full(*_: object) -> None:
        raise OperationalError("database or disk is full")

    with empty_service(tmp_path / "home"):
        (tmp_path / "home/run").mkdir()
        monkeypatch.setattr(backup_tables, "path_of", full)
        with pytest.raises(CommandError, match=r"disk is full.*run again") as error:
            call_command("restore", str(tmp_path / "kept"))
        assert error.value.returncode == 2
        assert [path.name for path in (tmp_path / "home").glob("new*")] == ["new.sqlite3"]
        assert connections["default"].introspection.table_names() == []
