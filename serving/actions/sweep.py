"""Removes the files that attempts have left behind: those that no row names after a day."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core.files.storage import Storage, storages
from django.db.models import Q
from django.utils import timezone

from serving.batch.names import FOLDER, job_of
from serving.models import BatchChunk, BatchJob

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
# Orphans come from attempts: who looks every hour need not look at jobs that ended long ago.
LOOKED_AT = timedelta(days=8)


def sweep_orphans(*, older_than: timedelta = KEPT) -> int:
    """Remove the orphans of jobs that run or ended in the last days; how many there were.

    A file is kept that a chunk names, or a version of the job's output (an earlier one, where the
    job was run again), and any that is young: its attempt may be about to name it.
    """
    storage = storages["default"]
    now = timezone.now()
    recent = Q(finished_at__isnull=True) | Q(finished_at__gte=now - LOOKED_AT)
    jobs = BatchJob.objects.filter(recent).order_by().values_list("pk", flat=True)
    return sum(
        _sweep_folder(storage, f"{FOLDER}/{job_id}", now - older_than)
        for job_id in jobs.iterator(chunk_size=1_000)
    )


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


def _ours(storage: Storage, folder: str) -> list[str]:
    try:
        _, files = storage.listdir(folder)
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for name in files if job_of(f"{folder}/{name}") is not None]


def _born(storage: Storage, name: str) -> datetime:
    born = storage.get_modified_time(name)
    return born if born.tzinfo else born.replace(tzinfo=UTC)


def _named(folder: str) -> set[str]:
    job_id = UUID(folder.rsplit("/", 1)[-1])
    chunks = BatchChunk.objects.filter(job=job_id)
    named = {name for pair in chunks.values_list("output_name", "rejects_name") for name in pair}
    job = BatchJob.objects.select_related("output__dataset").filter(pk=job_id).first()
    if job is not None and job.output is not None:
        for parts in job.output.dataset.versions.values_list("parts", flat=True):
            named |= {part["name"] for part in parts}
    return named
