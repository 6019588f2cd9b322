"""Lets go of bytes that nobody may use any more, and removes files that no row names.

The two are apart: a row first says that it holds nothing, the file goes when no row names it. Bytes
that somebody else has sent too, or sends at this moment, stay.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry import audit, storage
from registry.actions.held_files import OF_VERSION, held_names
from registry.models import Artifact, DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.models.model_version import VersionStatus

log = logging.getLogger(__name__)

REJECTED_KEPT = timedelta(days=7)
# Whoever puts a file names it in a row within minutes, or hours for a very large one.
ORPHANS_KEPT = timedelta(days=1)
# What people put into the inbox themselves is theirs.
OURS = ("blobs/", "batch/", "probe/")
_REASON = "Rejected 7 days ago."


class LetGo:
    """Rejected versions let their bytes go after 7 days; the rows stay, with what was found.

    ``rows`` are the ids of those that did, or would: with ``dry_run`` nothing is written.
    """

    def __init__(self, *, dry_run: bool = False) -> None:
        self.rows: set[UUID] = set()
        self._dry_run = dry_run
        self._before = timezone.now() - REJECTED_KEPT

    def versions(self) -> int:
        """Versions of models; how many there were."""
        due = self._rejected().filter(_HOLDS_FILES).order_by("pk").values_list("pk", flat=True)
        ids = list(due)
        for pk in ids:
            if self._dry_run:
                self.rows |= {pk, *self._artifacts(pk).values_list("pk", flat=True)}
            else:
                self._let_version_go(pk)
        return len(ids)

    def dataset_versions(self) -> int:
        """Versions of datasets; how many there were."""
        due = DatasetVersion.objects.filter(
            status=DatasetStatus.REJECTED,
            settled_at__lt=self._before,
            erased_at__isnull=True,
            dataset__legal_hold=False,
        ).order_by("pk")
        versions = list(due.select_related("dataset"))
        for version in versions:
            if self._dry_run:
                self.rows.add(version.pk)
            else:
                _erase(version)
        return len(versions)

    def _rejected(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.filter(
            status=VersionStatus.REJECTED, settled_at__lt=self._before, model__legal_hold=False
        )

    def _artifacts(self, version_id: UUID) -> QuerySet[Artifact]:
        """The artifact of a version, unless another version needs it still: none or one."""
        mine = Artifact.objects.filter(versions=version_id, gone_at__isnull=True)
        needing = ModelVersion.objects.filter(artifact=OuterRef("pk")).exclude(
            pk__in=self._rejected().values("pk")
        )
        return mine.filter(~Exists(needing))

    @transaction.atomic
    def _let_version_go(self, version_id: UUID) -> None:
        """Its checks may have begun anew, or a hold been set: looked at again under a lock."""
        locked = self._rejected().select_for_update(of=("self",)).select_related("model")
        version = locked.filter(pk=version_id).first()
        if version is None:
            return
        before = {name: getattr(version, name) for name in OF_VERSION if getattr(version, name)}
        ModelVersion.objects.filter(pk=version_id).update(**dict.fromkeys(OF_VERSION, ""))
        if (artifact := self._artifacts(version_id).first()) is not None:
            Artifact.objects.filter(pk=artifact.pk).update(gone_at=timezone.now())
            before["sha256"] = artifact.sha256
        audit.record(None, "version.prune", version, before=before, reason=_REASON)


# Or a step of long ago was broken off between the two.
_HOLDS_FILES = (
    Q(artifact__gone_at__isnull=True)
    | ~Q(example_sha256="")
    | ~Q(expected_sha256="")
    | ~Q(golden_sha256="")
    | ~Q(compiled_sha256="")
)


@transaction.atomic
def _erase(version: DatasetVersion) -> None:
    now = timezone.now()
    if DatasetVersion.objects.filter(pk=version.pk, erased_at__isnull=True).update(erased_at=now):
        before = {"sha256": version.sha256}
        audit.record(None, "dataset.erase", version, before=before, reason=_REASON)


def remove_orphans(
    *, without: Collection[UUID] = (), dry_run: bool = False, older_than: timedelta = ORPHANS_KEPT
) -> tuple[int, int]:
    """Remove old files that no row names, but for those of ``without``; how many and their bytes.

    To be called within ``may_remove_files``. A file that was put again meanwhile is not old.
    """
    before = timezone.now() - older_than
    count = size_bytes = 0
    for found in _orphans(before, frozenset(without)):
        if dry_run or storage.remove_untouched(found.name, since=before):
            count, size_bytes = count + 1, size_bytes + found.size_bytes
            log.debug("No row names %s", found.name)
    return count, size_bytes


def _orphans(before: datetime, without: frozenset[UUID]) -> Iterator[storage.Listed]:
    """The names are read first: whoever names an old file later has put it again, and it is new."""
    held = {_short(name) for name in held_names(without=without)}
    for prefix in OURS:
        for found in storage.listed(prefix):
            if found.modified < before and _short(found.name) not in held:
                yield found


def _short(name: str) -> int:
    """A million names in some tens of MiB; should two agree once, a file is kept too long."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
