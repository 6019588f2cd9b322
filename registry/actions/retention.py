"""Retention: the rows of dataset versions that were kept long enough are erased.

What was known about them stays: the version, its columns and the audit trail. A legal hold wins,
that of the dataset and that of a model that was trained on the version. A version that a job
still reads is left for the next time.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from registry import audit, storage
from registry.models import Artifact, Dataset, DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.signals import dataset_erased, dataset_expiring

log = logging.getLogger(__name__)

# The files of so many versions are held against all others in one pass.
AT_ONCE = 200
# A death between a row and its files leaves files: what was erased lately is looked at again.
LOOKED_AT_AGAIN = timedelta(days=8)
_BLOBS_OF_VERSIONS = ("example_sha256", "expected_sha256", "golden_sha256", "compiled_sha256")


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be: versions of datasets, their files, and those in bytes."""

    versions: int = 0
    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(
            self.versions + other.versions,
            self.files + other.files,
            self.size_bytes + other.size_bytes,
        )


def erase_expired(*, dry_run: bool = False) -> Erased:
    """Erase what is older than its dataset's retention; with ``dry_run`` only count.

    May be called at any time, and by several at once: a version is erased once. Raises
    StorageAway; what was erased until then stays so, and its files go the next time.
    """
    now, found = timezone.now(), Erased()
    for ids in _in_pieces(_expired(now)):
        due = [pk for pk in ids if (_is_due(pk, now) if dry_run else _erase(pk, now))]
        found += Erased(versions=len(due)) + _let_go(due, dry_run=dry_run)
    if not dry_run:
        lately = DatasetVersion.objects.filter(erased_at__range=(now - LOOKED_AT_AGAIN, now))
        for ids in _in_pieces(lately.order_by("pk").values_list("pk", flat=True)):
            found += _let_go(ids)
    return found


def _in_pieces(ids: Iterable[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    """Read whole at first: nothing is written while a cursor is open."""
    whole = list(ids)
    for start in range(0, len(whole), AT_ONCE):
        yield whole[start : start + AT_ONCE]


def _expired(now: datetime) -> Iterator[uuid.UUID]:
    """Ids of versions that are old enough; what else keeps them is looked at one by one."""
    datasets = Dataset.objects.filter(retention_days__isnull=False, legal_hold=False)
    settled = DatasetVersion.objects.filter(erased_at__isnull=True).exclude(
        status=DatasetStatus.PENDING
    )
    for dataset_id, days in list(datasets.order_by("pk").values_list("pk", "retention_days")):
        old = settled.filter(dataset=dataset_id, created_at__lt=now - timedelta(days=days or 0))
        yield from old.order_by("pk").values_list("pk", flat=True)


def _erase(version_id: uuid.UUID, now: datetime) -> bool:
    """Say of one version that its rows are gone; False where something keeps them after all.

    1. hold dataset and version, so that a legal hold set meanwhile counts;
    2. look at all that could keep the rows;
    3. write it down, with the cells that the row itself has; the files go after the commit.
    """
    with transaction.atomic():
        if not _is_due(version_id, now, held=True):
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


def _is_due(version_id: uuid.UUID, now: datetime, *, held: bool = False) -> bool:
    """Whether nothing keeps the rows of a version that was old enough a moment ago."""
    rows, versions = Dataset.objects.all(), DatasetVersion.objects.all()
    if held:
        rows, versions = rows.select_for_update(), versions.select_for_update()
    dataset = rows.filter(versions=version_id).first()
    if dataset is None or dataset.legal_hold or dataset.retention_days is None:
        return False
    version = versions.filter(pk=version_id, erased_at__isnull=True).first()
    if version is None or version.created_at >= now - timedelta(days=dataset.retention_days):
        return False
    if ModelVersion.objects.filter(training_dataset=version, model__legal_hold=True).exists():
        return False
    answers = dataset_expiring.send(DatasetVersion, version=version)
    return not any(is_needed for _, is_needed in answers)


def _let_go(ids: Collection[uuid.UUID], *, dry_run: bool = False) -> Erased:
    """Remove the files that these versions had, but for those that something else names too."""
    found = Erased()
    for name in sorted(_names_of(ids) - _named_elsewhere(ids)):
        try:
            size_bytes = storage.size_of(name)
        except storage.BlobMissing:
            continue
        if not dry_run:
            storage.remove(name)
        found += Erased(files=1, size_bytes=size_bytes)
    if found.files and not dry_run:
        log.info("Erased %s files, %s bytes", found.files, found.size_bytes)
    return found


def _names_of(ids: Collection[uuid.UUID]) -> set[str]:
    """Files of versions; none of one whose bytes are being read anew under another number."""
    being_read = set(
        DatasetVersion.objects.filter(status=DatasetStatus.PENDING)
        .exclude(sha256="")
        .values_list("sha256", flat=True)
    )
    names: set[str] = set()
    for sha256, parts in DatasetVersion.objects.filter(pk__in=ids).values_list("sha256", "parts"):
        if sha256 not in being_read:
            names |= _files(sha256, parts)
    return names


def _named_elsewhere(ids: Collection[uuid.UUID]) -> set[str]:
    """Of the files of these versions, those that are named by what is not erased."""
    wanted = _names_of(ids)
    if not wanted:
        return set()
    found: set[str] = set()
    living = DatasetVersion.objects.filter(erased_at__isnull=True).exclude(pk__in=ids)
    rows = living.order_by().values_list("sha256", "parts")
    for sha256, parts in rows.iterator(chunk_size=200):
        found |= _files(sha256, parts) & wanted
    artifacts = Artifact.objects.filter(gone_at__isnull=True).values_list("sha256", flat=True)
    found |= {storage.blob_name(sha256) for sha256 in artifacts.iterator()} & wanted
    for digests in ModelVersion.objects.values_list(*_BLOBS_OF_VERSIONS).iterator():
        found |= {storage.blob_name(sha256) for sha256 in digests if sha256} & wanted
    return found


def _files(sha256: str, parts: Iterable[dict[str, str]]) -> set[str]:
    names = {part["name"] for part in parts}
    return names | {storage.blob_name(sha256)} if sha256 else names
