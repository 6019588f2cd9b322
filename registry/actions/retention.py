"""Retention: the rows of dataset versions that were kept long enough are erased.

What was known about them stays: the version, its columns and the audit trail. A legal hold wins,
that of the dataset and that of a model that was trained on the version. A version that a job
still reads is left for the next time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from registry import audit
from registry.models import Dataset, DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.signals import dataset_erased, dataset_expiring


@dataclass(frozen=True, slots=True)
class Erased:
    """How many versions were erased, and the bytes that had come in."""

    versions: int = 0
    size_bytes: int = 0


def erase_expired() -> Erased:
    """Erase what is older than its dataset's retention.

    An erased version names no file any more: ``pruning_files.remove_orphans`` takes those that
    nothing else names. May be called at any time, and by several at once.
    """
    now = timezone.now()
    # Read whole at first: nothing is written while a cursor is open.
    erased = [size_bytes for pk, size_bytes in list(_expired(now)) if _erase(pk, now)]
    return Erased(len(erased), sum(erased))


def _expired(now: datetime) -> Iterator[tuple[uuid.UUID, int]]:
    """Id and size of versions that are old enough; what else keeps them is looked at singly."""
    datasets = Dataset.objects.filter(retention_days__isnull=False, legal_hold=False)
    settled = DatasetVersion.objects.filter(erased_at__isnull=True).exclude(
        status=DatasetStatus.PENDING
    )
    for dataset_id, days in list(datasets.order_by("pk").values_list("pk", "retention_days")):
        old = settled.filter(dataset=dataset_id, created_at__lt=now - timedelta(days=days or 0))
        yield from old.order_by("pk").values_list("pk", "size_bytes")


def _erase(version_id: uuid.UUID, now: datetime) -> bool:
    """Say of one version that its rows are gone; False where something keeps them after all.

    1. hold dataset and version, so that a legal hold set meanwhile counts;
    2. look at all that could keep the rows;
    3. write it down, and forget the cells that the row itself has.
    """
    with transaction.atomic():
        if not _is_due(version_id, now):
            return False
        version = DatasetVersion.objects.select_related("dataset").get(pk=version_id)
        version.erased_at, version.profile, version.errors = now, [], []
        version.save(update_fields=["erased_at", "profile", "errors"])
        days = version.dataset.retention_days
        audit.record(
            None,
            "dataset.erase",
            version,
            before={"rows": version.rows, "sha256": version.sha256, "parts": len(version.parts)},
            after={"erased_at": now.isoformat()},
            reason=f"Kept for {days} days.",
        )
        dataset_erased.send(DatasetVersion, version=version)
    return True


def _is_due(version_id: uuid.UUID, now: datetime) -> bool:
    """Whether nothing keeps the rows of a version that was old enough a moment ago.

    Holds the dataset and the version until the transaction ends.
    """
    dataset = Dataset.objects.select_for_update().filter(versions=version_id).first()
    if dataset is None or dataset.legal_hold or dataset.retention_days is None:
        return False
    versions = DatasetVersion.objects.select_for_update()
    version = versions.filter(pk=version_id, erased_at__isnull=True).first()
    if version is None or version.created_at >= now - timedelta(days=dataset.retention_days):
        return False
    if ModelVersion.objects.filter(training_dataset=version, model__legal_hold=True).exists():
        return False
    answers = dataset_expiring.send(DatasetVersion, version=version)
    return not any(is_needed for _, is_needed in answers)
