"""The registry's tasks: ids in, one action called, nothing returned."""

from __future__ import annotations

from celery import shared_task

from registry.actions.ingest import ingest_dataset
from registry.queue import INGEST_DATASET

# A file of many gigabytes takes its time; its lease says whether somebody is still at it.
LONGEST_S = 6 * 3600


@shared_task(name=INGEST_DATASET, soft_time_limit=LONGEST_S, time_limit=LONGEST_S + 60)
def ingest(version_id: str) -> None:
    """Read an uploaded dataset version."""
    ingest_dataset(version_id)
