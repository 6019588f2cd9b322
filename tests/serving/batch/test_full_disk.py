"""A disk that is really full: the job waits, and goes on when there is room again."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from registry.principals import Principal
from serving.actions.drive import drive
from serving.models import BatchChunk, BatchJob
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

pytestmark = pytest.mark.django_db
PIECE = bytes(4096)


@pytest.fixture
def small_disk(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A file system of one megabyte with the state folder on it; skips where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"a file system of its own needs the right to mount: {made.stderr.strip()}")
    try:
        settings.MODELYARD_HOME = folder
        kept = {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder / "storage")},
        }
        settings.STORAGES = {**settings.STORAGES, "default": kept}
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(PIECE)
    with pytest.raises(OSError, match="No space") as full:
        (disk / "one-more").write_bytes(PIECE)
    assert full.value.errno == errno.ENOSPC
    (disk / "one-more").unlink()
    return filler


def test_a_job_waits_for_room_and_goes_on(
    ana: Principal, host: ObedientHost, small_disk: Path
) -> None:
    rows = people_rows(2_000)
    dataset_of(ana, rows)
    job = ask(ana, chunk_rows=1_000)
    filler = fill(small_disk)

    for _ in range(4):
        assert drive(owner="w1") == 1
        BatchChunk.objects.update(not_before=None)
        BatchJob.objects.update(paused_until=None)
    job.refresh_from_db()
    assert (job.state, job.paused_reason, job.rows_done) == ("running", "storage-full", 0)
    assert not job.chunks.filter(failures__gt=0).exists()

    filler.unlink()
    assert drive(owner="w1") == 2
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("completed", "")
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))
    assert os.listdir(small_disk / "tmp") == []
