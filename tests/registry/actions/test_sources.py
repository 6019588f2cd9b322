"""A dataset version from files in the inbox; long reads that take turns."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import override_settings

from registry import storage
from registry.actions import ingest, reading_turns
from registry.actions.ingest import ingest_dataset
from registry.errors import SourceAway, SourceRefused, StorageAway
from registry.models import DatasetVersion
from tests import people, things

pytestmark = pytest.mark.django_db


def put(name: str, content: bytes) -> None:
    with storage.scratch_file() as path:
        path.write_bytes(content)
        storage.remove(name)
        storage.put_file(path, name)


def version_from(**source: Any) -> DatasetVersion:
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n", is_read=False)
    DatasetVersion.objects.filter(pk=version.pk).update(source=source, sha256="", format="")
    ingest_dataset(version.pk)
    version.refresh_from_db()
    return version


def test_the_files_under_a_prefix_are_one_table_by_name() -> None:
    put("inbox/day-1/b.csv", b"id,x\n3,c\n")
    put("inbox/day-1/a.csv", b"id,x\n1,a\n2,b\n")
    put("inbox/day-2/a.csv", b"other\n1\n")

    version = version_from(prefix="inbox/day-1/")

    assert (version.status, version.rows) == ("ready", 3)
    with storage.opened(version.parts[0]["name"]) as file:
        assert pq.read_table(file).to_pydict() == {"id": [1, 2, 3], "x": ["a", "b", "c"]}


@pytest.mark.parametrize("prefix", ["inbox/nothing/", "blobs/", "inbox/../blobs/", "batch/", ""])
def test_what_is_not_in_the_inbox_is_not_read(prefix: str) -> None:
    version = version_from(prefix=prefix)
    assert (version.status, version.errors[0]["code"]) == ("rejected", "no-files")


def test_a_file_that_does_not_fit_rejects_the_version_and_is_named() -> None:
    put("inbox/bad/a.csv", b"id,x\n1,a\n")
    put("inbox/bad/b.csv", b"id\n1\n")

    version = version_from(prefix="inbox/bad/")

    assert version.status == "rejected"
    assert version.errors[0]["code"] == "missing-column"
    assert "inbox/bad/b.csv" in version.errors[0]["detail"]


@pytest.mark.parametrize("error", [SourceAway("away"), StorageAway("away")], ids=str)
def test_what_is_away_is_waited_for(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ingest, "to_parts", away)
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n", is_read=False)
    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert (version.status, version.read_attempts) == ("pending", 0)


def test_a_refused_source_says_column_and_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise SourceRefused("No.", reason="loses-precision", column="price", row=7)

    monkeypatch.setattr(ingest, "to_parts", refused)
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n", is_read=False)
    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert version.errors == [
        {"code": "loses-precision", "detail": "No.", "column": "price", "row": 7}
    ]


def test_what_a_database_says_repeats_no_hidden_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise SourceRefused("No integer: “ada”.", reason="query-failed")

    monkeypatch.setattr(ingest, "to_parts", refused)
    version = things.a_dataset_version(
        people.owner(), body=b"id\n1\n", is_read=False, classification="confidential"
    )
    ingest_dataset(version.pk)
    version.refresh_from_db()
    (told,) = version.errors
    assert told["code"] == "query-failed"
    assert "ada" not in str(told)


@override_settings(WORKER_CONCURRENCY=3)
def test_all_processes_but_one_may_read_long_files() -> None:
    with (
        reading_turns.turn_to_read(None) as first,
        reading_turns.turn_to_read(reading_turns.LONG_BYTES) as second,
        reading_turns.turn_to_read(None) as third,
        reading_turns.turn_to_read(1_000) as short,
    ):
        assert (first, second, third, short) == (True, True, False, True)
    with reading_turns.turn_to_read(None) as again:
        assert again


@override_settings(WORKER_CONCURRENCY=1)
def test_a_long_read_that_has_no_turn_is_left_unclaimed() -> None:
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n", is_read=False)
    DatasetVersion.objects.filter(pk=version.pk).update(size_bytes=reading_turns.LONG_BYTES)
    with reading_turns.turn_to_read(None):
        ingest_dataset(version.pk)
        version.refresh_from_db()
        assert (version.status, version.read_attempts) == ("pending", 0)
    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert version.status == "ready"
