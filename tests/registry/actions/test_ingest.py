"""Reading an upload: a full disk puts it off, for as long as it is full."""

from __future__ import annotations

import errno
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from registry.actions import ingest
from registry.actions.ingest import ingest_dataset
from registry.errors import SourceAway, StorageFull
from registry.models import DatasetVersion
from tests import people, things

pytestmark = pytest.mark.django_db

FULL = (
    StorageFull("No space."),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
)


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_no_attempt(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n2\n", is_read=False)

    def is_full(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as full:
        full.setattr(ingest, "to_parts", is_full)
        for _ in range(9):
            ingest_dataset(version.pk)
            version.refresh_from_db()
            assert (version.status, version.read_attempts) == ("pending", 0)
            DatasetVersion.objects.update(reading_until=Now() - timedelta(seconds=1))

    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert (version.status, version.rows, version.read_attempts) == ("ready", 2, 1)


def test_a_source_that_is_away_is_waited_for_and_given_up_after_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = things.a_dataset_version(people.owner(), body=b"id\n1\n", is_read=False)

    def is_away(*_: Any, **__: Any) -> None:
        raise SourceAway("The database does not answer.")

    monkeypatch.setattr(ingest, "to_parts", is_away)
    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert (version.status, version.read_attempts) == ("pending", 0)

    DatasetVersion.objects.update(
        created_at=Now() - timedelta(hours=25), reading_until=Now() - timedelta(seconds=1)
    )
    ingest_dataset(version.pk)
    version.refresh_from_db()
    assert (version.status, version.errors[0]["code"]) == ("rejected", "source-unavailable")
