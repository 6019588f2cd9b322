"""What has had its time goes; a legal hold, a second use and an upload at this moment keep it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from registry import storage
from registry.actions import pruning_files
from registry.actions.held_files import held_names
from registry.actions.pruning import FilesAreKept, Pruned, _keys, prune, prune_in_background
from registry.actions.versions import correct_version
from registry.errors import StateConflict
from registry.models import (
    ApiKey,
    Artifact,
    AuditEvent,
    Dataset,
    DatasetVersion,
    IdempotencyRecord,
    ModelVersion,
    RegisteredModel,
)
from registry.storage.turns import files_stay
from tests import things
from tests.people import Person, owner
from tests.services.processes import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_our_files")]
LONG_AGO = timedelta(days=8)
OLD_S = timedelta(days=2).total_seconds()


@pytest.fixture
def olga() -> Person:
    return owner()


def a_rejected_version(
    by: Person, name: str = "churn", seed: str = "churn", *, example: bytes = b""
) -> ModelVersion:
    """One that was rejected long ago, with its bytes, which are as old."""
    model = RegisteredModel.objects.filter(name=name).first() or things.a_model(by, name)
    kept = storage.put_bytes(things.model_bytes(seed))
    version = things.a_version(model, by, seed=seed, status="rejected")
    values = {"settled_at": timezone.now() - LONG_AGO}
    if example:
        values["example_sha256"] = storage.put_bytes(example).sha256
        age(storage.blob_name(values["example_sha256"]))
    ModelVersion.objects.filter(pk=version.pk).update(**values)
    age(storage.blob_name(kept.sha256))
    version.refresh_from_db()
    return version


def a_rejected_upload(by: Person, body: bytes) -> DatasetVersion:
    """A version of a dataset that could not be read, long ago."""
    version = things.a_dataset_version(by)
    for part in version.parts:
        age(part["name"])
    age(storage.blob_name(version.sha256))
    kept = storage.put_bytes(body)
    age(storage.blob_name(kept.sha256))
    version.status, version.sha256, version.parts = "rejected", kept.sha256, []
    version.settled_at = timezone.now() - LONG_AGO
    version.save()
    return version


def age(name: str) -> None:
    """Let a file be two days old."""
    path = storage.local_path(name)
    os.utime(path, (time.time() - OLD_S,) * 2)


def an_old_file(name: str, body: bytes = b"left behind") -> str:
    with storage.scratch_file() as path:
        path.write_bytes(body)
        storage.put_file(path, name)
    age(name)
    return name


def counts(**options: Any) -> Mapping[str, Pruned]:
    """What went, by the last word of what it is called."""
    return {step.what: step for step in prune(**options)}


def orphans(**options: Any) -> Pruned:
    return counts(**options)["files that no row names"]


def test_bytes_of_a_rejected_version_go_and_its_row_stays(olga: Person) -> None:
    version = a_rejected_version(olga, example=b"a,b\n1,2\n")
    assert orphans().count == 2
    version.refresh_from_db()
    assert version.artifact.gone_at is not None
    assert version.example_sha256 == ""
    assert not storage.exists(storage.blob_name(version.artifact.sha256))
    event = AuditEvent.objects.get(action="version.prune")
    assert event.before["sha256"] == version.artifact.sha256
    assert event.before["example_sha256"] == things.sha256(b"a,b\n1,2\n")
    assert orphans().count == 0
    assert AuditEvent.objects.filter(action="version.prune").count() == 1


def test_a_dry_run_counts_the_same_and_changes_nothing(olga: Person) -> None:
    version = a_rejected_version(olga, example=b"a,b\n1,2\n")
    an_old_file("batch/x")
    # Rejected, and past its retention too: it goes once.
    twice = a_rejected_upload(olga, b"broken")
    DatasetVersion.objects.update(created_at=timezone.now() - timedelta(days=31))
    Dataset.objects.update(retention_days=30)
    events = AuditEvent.objects.count()
    foreseen = counts(dry_run=True)
    assert storage.exists(storage.blob_name(version.artifact.sha256))
    assert Artifact.objects.get().gone_at is None
    assert DatasetVersion.objects.get(pk=twice.pk).erased_at is None
    assert AuditEvent.objects.count() == events
    assert foreseen == counts()
    assert foreseen["files that no row names"].count == 6


def test_bytes_that_another_version_needs_stay(olga: Person) -> None:
    rejected = a_rejected_version(olga)
    things.a_version(rejected.model, olga)
    assert orphans().count == 0
    assert Artifact.objects.get().gone_at is None
    # Nothing was let go: no event says so night after night.
    assert not AuditEvent.objects.filter(action="version.prune").exists()


def test_a_correction_of_a_version_whose_bytes_have_just_gone_is_refused(olga: Person) -> None:
    version = a_rejected_version(olga)
    version.refresh_from_db()
    assert version.artifact.gone_at is None  # as a page has read it
    counts()
    with pytest.raises(StateConflict, match="no longer kept"):
        correct_version(by=olga.by, version=version, signature=things.SIGNATURE)


def meanwhile(work: Callable[[], object], until: Callable[[], object]) -> None:
    """Do the work in a thread, which soon waits for a row; do the other thing, and let it end."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            until()
            done = pool.submit(run)
            wait_until(lambda: waits() or done.done(), 20, "the other one waits")
        done.result(20)


@pytest.mark.postgres
def test_bytes_that_are_registered_at_this_moment_stay() -> None:
    olga = owner()
    rejected = a_rejected_version(olga)
    meanwhile(counts, lambda: things.a_version(rejected.model, olga, status="pending"))
    assert Artifact.objects.get().gone_at is None


@pytest.mark.postgres
def test_bytes_of_a_version_that_is_corrected_at_this_moment_stay() -> None:
    olga = owner()
    rejected = a_rejected_version(olga, example=b"a,b\n1,2\n")
    signature = things.SIGNATURE
    meanwhile(counts, lambda: correct_version(by=olga.by, version=rejected, signature=signature))
    assert Artifact.objects.get().gone_at is None
    corrected = ModelVersion.objects.get(from_version=rejected)
    assert storage.exists(storage.blob_name(corrected.example_sha256))


@pytest.mark.postgres
def test_of_two_that_prune_at_once_one_removes_a_key_and_says_so() -> None:
    olga = owner()
    olga.key()
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=91))
    meanwhile(lambda: _keys(False), lambda: _keys(False))
    assert AuditEvent.objects.filter(action="api_key.prune").count() == 1


def test_bytes_of_which_all_versions_were_rejected_go(olga: Person) -> None:
    a_rejected_version(olga, "churn")
    a_rejected_version(olga, "attrition")
    assert orphans().count == 1


def test_a_young_rejection_keeps_its_bytes(olga: Person) -> None:
    version = a_rejected_version(olga)
    ModelVersion.objects.update(settled_at=timezone.now() - timedelta(days=6))
    assert orphans().count == 0
    assert storage.exists(storage.blob_name(version.artifact.sha256))


def test_a_legal_hold_keeps_bytes_of_rejected_versions(olga: Person) -> None:
    a_rejected_version(olga)
    RegisteredModel.objects.update(legal_hold=True)
    assert orphans().count == 0
    assert not AuditEvent.objects.filter(action="version.prune").exists()


@pytest.mark.parametrize(("is_held", "went"), [(False, 1), (True, 0)])
def test_rejected_uploads_of_a_dataset_go_but_for_a_legal_hold(
    olga: Person, is_held: bool, went: int
) -> None:
    version = a_rejected_upload(olga, b"broken")
    Dataset.objects.update(legal_hold=is_held)
    counts()
    # The hold may come after the list was made.
    assert pruning_files._erase(version.pk) is False
    assert storage.exists(storage.blob_name(version.sha256)) is is_held
    assert DatasetVersion.objects.filter(erased_at__isnull=False).count() == went


@pytest.mark.parametrize("name", ["blobs/ab/" + "ab" * 32, "batch/one/000001-results", "probe/x"])
def test_an_old_file_that_no_row_names_goes(name: str) -> None:
    an_old_file(name)
    assert orphans() == Pruned("files that no row names", 1, len(b"left behind"))
    assert not storage.exists(name)


def test_a_young_file_stays_its_row_may_be_about_to_be_written() -> None:
    name = an_old_file("blobs/ab/" + "ab" * 32)
    os.utime(storage.local_path(name))
    assert orphans().count == 0


def test_what_people_have_put_into_the_inbox_is_theirs() -> None:
    name = an_old_file("inbox/day.csv")
    assert orphans().count == 0
    assert storage.exists(name)


def test_files_that_rows_name_stay(olga: Person) -> None:
    version = things.a_dataset_version(olga)
    version.refresh_from_db()
    names = set(held_names())
    assert storage.blob_name(version.sha256) in names
    assert {part["name"] for part in version.parts} <= names
    for name in names:
        if storage.exists(name):
            age(name)
    assert orphans().count == 0


def test_an_upload_of_the_same_bytes_at_this_moment_keeps_them(
    olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = things.model_bytes("again")
    name = an_old_file(storage.blob_name(things.sha256(body)), body)
    found = pruning_files._orphans

    def while_it_is_looked_at(*arguments: Any) -> Any:
        yield from found(*arguments)

    def put_again(*arguments: Any) -> Any:
        for orphan in while_it_is_looked_at(*arguments):
            storage.put_bytes(body)
            yield orphan

    monkeypatch.setattr(pruning_files, "_orphans", put_again)
    assert orphans().count == 0
    assert storage.read_blob(things.sha256(body)) == body
    assert [found.name for found in storage.listed("blobs/")] == [name]


def test_files_stay_while_a_backup_copies_them() -> None:
    name = an_old_file("batch/x")
    with files_stay(connection):
        with pytest.raises(FilesAreKept, match="A backup is being made"):
            list(prune())
        with pytest.raises(CommandError, match="try later"):
            call_command("prune")
        prune_in_background()
    assert storage.exists(name)
    assert orphans().count == 1


def test_records_that_have_had_their_time_go(olga: Person) -> None:
    now = timezone.now()
    for key, days in (("old", 2), ("new", 0)):
        record = IdempotencyRecord.objects.create(
            principal="p", route="r", key=key, body_sha256="0" * 64
        )
        IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=now - timedelta(days=days))
        Session.objects.create(
            session_key=key, session_data="", expire_date=now + timedelta(days=1 - days)
        )
    olga.key()
    ended = ApiKey.objects.first()
    assert ended is not None
    olga.key()
    ApiKey.objects.filter(pk=ended.pk).update(expires_at=now - timedelta(days=91))
    counts()
    assert [r.key for r in IdempotencyRecord.objects.all()] == ["new"]
    assert [s.session_key for s in Session.objects.all()] == ["new"]
    assert ApiKey.objects.count() == 1
    event = AuditEvent.objects.get(action="api_key.prune")
    assert event.object_id == str(ended.pk)


def test_the_command_says_what_went(capsys: pytest.CaptureFixture[str]) -> None:
    an_old_file("batch/x", b"12345")
    call_command("prune", "--dry-run")
    said = capsys.readouterr().out
    assert "1 files that no row names, 5 bytes" in said
    assert "nothing was removed" in said
    call_command("prune")
    said = capsys.readouterr().out
    assert "1 files that no row names, 5 bytes" in said
    assert "nothing was removed" not in said
