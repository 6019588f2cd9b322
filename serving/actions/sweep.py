"""Removes the files that attempts have left behind: those that no row names after a day."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.core.files.storage import Storage, storages
from django.utils import timezone

from serving.batch.names import FOLDER, job_of
from serving.models import BatchChunk, BatchJob

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)


def sweep_orphans(*, older_than: timedelta = KEPT) -> int:
    """Remove the orphans of all jobs; how many there were.

    A file is kept that a chunk names, or a version of the job's output (an earlier one, where the
    job was run again), and any that is young: its attempt may be about to name it.
    """
    storage = storages["default"]
    born_before = timezone.now() - older_than
    removed = 0
    for folder in _folders(storage):
        removed += _sweep_folder(storage, folder, born_before)
    return removed


def _folders(storage: Storage) -> list[str]:
    try:
        folders, _ = storage.listdir(FOLDER)
    except FileNotFoundError:
        return []
    return [f"{FOLDER}/{name}" for name in folders]


def _sweep_folder(storage: Storage, folder: str, born_before: datetime) -> int:
    old = [name for name in _ours(storage, folder) if _born(storage, name) <= born_before]
    if not old:
        return 0
    # Read after the files: what was named in between is then known.
    named = _named(folder)
    orphans = [name for name in old if name not in named]
    for name in orphans:
        storage.delete(name)
    if orphans:
        log.info("Removed %s files that no row names from %s", len(orphans), folder)
    return len(orphans)


def _ours(storage: Storage, folder: str) -> Iterator[str]:
    _, files = storage.listdir(folder)
    return (f"{folder}/{name}" for name in files if job_of(f"{folder}/{name}") is not None)


def _born(storage: Storage, name: str) -> datetime:
    born = storage.get_modified_time(name)
    return born if born.tzinfo else born.replace(tzinfo=UTC)


def _named(folder: str) -> set[str]:
    job_id = folder.rsplit("/", 1)[-1]
    chunks = BatchChunk.objects.filter(job=job_id)
    named = {name for pair in chunks.values_list("output_name", "rejects_name") for name in pair}
    job = BatchJob.objects.select_related("output__dataset").filter(pk=job_id).first()
    if job is not None and job.output is not None:
        for parts in job.output.dataset.versions.values_list("parts", flat=True):
            named |= {part["name"] for part in parts}
    return named
