"""The registry's tasks: ids in, one action called, nothing returned."""

from __future__ import annotations

from celery import shared_task

from registry.actions.ingest import ingest_dataset
from registry.queue import INGEST_DATASET


@shared_task(name=INGEST_DATASET)
def ingest(version_id: str) -> None:
    """Read an uploaded dataset version."""
    ingest_dataset(version_id)
