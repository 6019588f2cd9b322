"""Lets go of bytes that nobody may use any more, and removes files that no row names.

The two are apart: a row first says that it holds nothing, the file goes when no row names it. Bytes
that somebody else has sent too, or sends at this moment, stay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry import audit, storage
from registry.actions.held_files import OF_VERSION, held_names
from registry.models import Artifact, Dataset, DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.models.model_version import VersionStatus

log = logging.getLogger(__name__)

REJECTED_KEPT = timedelta(days=7)
# Whoever puts a file names it in a row within minutes, or hours for a very large one.
ORPHANS_KEPT = timedelta(days=1)
# What people put into the inbox themselves is theirs.
OURS = ("blobs/", "batch/", "probe/")
_REASON = "Rejected 7 days ago."

# Of all names that rows hold a few bytes each, see `_short`.
Held = frozenset[int]


def let_versions_go() -> int:
    """Rejected versions of models let their bytes go after 7 days; how many did.

    The rows stay, with what was found. Bytes that another version needs stay with their artifact.
    """
    before = timezone.now() - REJECTED_KEPT
    due = _rejected(before).filter(
        _NAMES_FILES | (_HAS_BYTES & ~Exists(_needing(before, OuterRef("artifact"))))
    )
    return sum([_let_version_go(pk, before) for pk in _ids(due)])


def let_dataset_versions_go() -> int:
    """The same of datasets; how many did."""
    due = DatasetVersion.objects.filter(
        status=DatasetStatus.REJECTED,
        settled_at__lt=timezone.now() - REJECTED_KEPT,
        erased_at__isnull=True,
        dataset__legal_hold=False,
    )
    return sum([_erase(pk) for pk in _ids(due)])


def _ids(rows: QuerySet[Any]) -> list[UUID]:
    """Read whole at first: nothing is written while a cursor is open."""
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _rejected(before: datetime) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(
        status=VersionStatus.REJECTED, settled_at__lt=before, model__legal_hold=False
    )


def _needing(before: datetime, artifact: Any) -> QuerySet[ModelVersion]:
    """Versions that need an artifact still."""
    having = ModelVersion.objects.filter(artifact=artifact)
    return having.exclude(pk__in=_rejected(before).values("pk"))


@transaction.atomic
def _let_version_go(version_id: UUID, before: datetime) -> bool:
    """Its checks may have begun anew, or a hold been set: looked at again under a lock.

    So is who else has the artifact: whoever registers its bytes writes that row first.
    """
    version = _rejected(before).select_for_update(of=("self",)).filter(pk=version_id).first()
    if version is None:
        return False
    was = {name: getattr(version, name) for name in OF_VERSION if getattr(version, name)}
    ModelVersion.objects.filter(pk=version_id).update(**dict.fromkeys(OF_VERSION, ""))
    artifact = Artifact.objects.select_for_update().get(pk=version.artifact_id)
    if not _needing(before, artifact.pk).exists():
        Artifact.objects.filter(pk=artifact.pk).update(gone_at=artifact.gone_at or timezone.now())
        was["sha256"] = artifact.sha256
    audit.record(None, "version.prune", version, before=was, reason=_REASON)
    return True


_NAMES_FILES = ~Q(**dict.fromkeys(OF_VERSION, ""))
_HAS_BYTES = Q(artifact__gone_at__isnull=True)


@transaction.atomic
def _erase(version_id: UUID) -> bool:
    """A hold may have been set: looked at again while the dataset is held."""
    datasets = Dataset.objects.select_for_update(of=("self",)).filter(versions=version_id)
    if datasets.filter(legal_hold=False).first() is None:
        return False
    waiting = DatasetVersion.objects.filter(pk=version_id, erased_at__isnull=True)
    if not waiting.update(erased_at=timezone.now()):
        return False
    version = DatasetVersion.objects.select_related("dataset").get(pk=version_id)
    audit.record(None, "dataset.erase", version, before={"sha256": version.sha256}, reason=_REASON)
    return True


def names_in_rows() -> Held:
    """What rows name now."""
    return frozenset(_short(name) for name in held_names())


def count_orphans(held: Held) -> tuple[int, int]:
    """Old files whose names are not held; how many and their bytes."""
    count = size_bytes = 0
    for found in _orphans(timezone.now() - ORPHANS_KEPT, held):
        count, size_bytes = count + 1, size_bytes + found.size_bytes
    return count, size_bytes


def remove_orphans(*, older_than: timedelta = ORPHANS_KEPT) -> tuple[int, int]:
    """Remove old files that no row names; how many and their bytes.

    To be called within ``may_remove_files``. A file that was put again meanwhile is not old.
    """
    before = timezone.now() - older_than
    count = size_bytes = 0
    # The names are read first: whoever names an old file later has put it again, and it is new.
    for found in _orphans(before, names_in_rows()):
        if storage.remove_untouched(found.name, since=before):
            count, size_bytes = count + 1, size_bytes + found.size_bytes
            log.debug("No row names %s", found.name)
    return count, size_bytes


def _orphans(before: datetime, held: Held) -> Iterator[storage.Listed]:
    for prefix in OURS:
        for found in storage.listed(prefix):
            if found.modified < before and _short(found.name) not in held:
                yield found


def _short(name: str) -> int:
    """A million names in some tens of MiB; should two agree once, a file is kept too long."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
