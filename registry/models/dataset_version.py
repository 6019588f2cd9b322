"""One immutable version of a dataset: the original bytes and a typed Parquet form."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.errors import RowsErased, StateConflict
from registry.models.base import TimeOrdered, one_of
from registry.models.dataset import Dataset
from registry.models.visibility import visible_datasets

if TYPE_CHECKING:
    from registry.principals import Principal


# Reading that came to no end so often is given up.
READ_ATTEMPTS_MAX = 5


class DatasetStatus(models.TextChoices):
    """Pending until the bytes were read once, then one of the other two for good."""

    PENDING = "pending"
    READY = "ready"
    REJECTED = "rejected"


class ProfileState(models.TextChoices):
    """Whether the figures of the columns are known; ``none``: and will not be."""

    FOUND = "found"
    WAITING = "waiting"
    NONE = "none"


class Tier(models.TextChoices):
    """How far data has come from its source towards its use."""

    RAW = "raw"
    CURATED = "curated"
    PRODUCT = "product"


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    """Versions of datasets by who sees them and where they stand."""

    def visible_to(self, principal: Principal) -> DatasetVersionQuerySet:
        """Versions of the datasets that the principal may see."""
        return self.filter(visible_datasets(principal, "dataset__"))

    def ready(self) -> DatasetVersionQuerySet:
        """Those whose rows can be read."""
        return self.filter(status=DatasetStatus.READY)

    def awaiting_ingest(self) -> DatasetVersionQuerySet:
        """Pending ones that nobody reads at the moment."""
        free = Q(reading_until__isnull=True) | Q(reading_until__lt=Now())
        return self.filter(free, status=DatasetStatus.PENDING)

    def awaiting_profile(self) -> DatasetVersionQuerySet:
        """Ready ones whose figures are to be found, and that nobody reads at the moment."""
        due = self.ready().filter(erased_at__isnull=True, reading_until__lt=Now())
        return due.filter(read_attempts__lt=READ_ATTEMPTS_MAX)

    def without_profile(self) -> DatasetVersionQuerySet:
        """Ready ones with rows whose figures nobody has looked for."""
        ready = self.ready().filter(erased_at__isnull=True, profile=[]).exclude(columns=[])
        return ready.filter(read_attempts__lt=READ_ATTEMPTS_MAX)

    def claim_profile(self, version_id: uuid.UUID | str, *, lease_s: int) -> bool:
        """Take one to find its figures; False when somebody else has it or they are known."""
        free = Q(reading_until__isnull=True) | Q(reading_until__lt=Now())
        return bool(
            self.without_profile()
            .filter(free, pk=version_id)
            .update(
                reading_until=Now() + timedelta(seconds=lease_s),
                read_attempts=models.F("read_attempts") + 1,
            )
        )

    def extend_profile(self, version_id: uuid.UUID | str, *, lease_s: int) -> bool:
        """Keep a claim for another lease; False when nobody wants the figures any more."""
        wanted = self.ready().filter(
            pk=version_id, erased_at__isnull=True, reading_until__isnull=False
        )
        return bool(wanted.update(reading_until=Now() + timedelta(seconds=lease_s)))

    def claim_ingest(self, version_id: uuid.UUID | str, *, lease_s: int) -> bool:
        """Take one for reading; False when somebody else has it or it is settled."""
        return bool(
            self.awaiting_ingest()
            .filter(pk=version_id)
            .update(
                reading_until=Now() + timedelta(seconds=lease_s),
                read_attempts=models.F("read_attempts") + 1,
            )
        )

    def put_off_ingest(self, version_id: uuid.UUID | str) -> None:
        """Waiting for something else is no attempt; the claim ends by itself."""
        taken = self.filter(pk=version_id, status=DatasetStatus.PENDING, read_attempts__gt=0)
        taken.update(read_attempts=models.F("read_attempts") - 1)

    def extend_ingest(self, version_id: uuid.UUID | str, *, lease_s: int) -> bool:
        """Keep a claim for another lease; False when the version is settled."""
        pending = self.filter(pk=version_id, status=DatasetStatus.PENDING)
        return bool(pending.update(reading_until=Now() + timedelta(seconds=lease_s)))


class DatasetVersion(TimeOrdered):
    """Immutable once ready.

    ``parts`` lists the typed Parquet files in row order as ``{"name", "sha256", "rows"}``, each
    name a name in the storage; one for an upload, one per chunk for the output of a batch job.
    ``columns`` are signature columns as JSON, ``profile`` has the figures of each
    column, in the same order; that of a job's output is empty until a worker has read the rows
    once more, which is due while ``reading_until`` of a ready version is not null. ``source`` is
    null for an upload and for the output of a job, else where the rows are read from instead of
    uploaded bytes: ``{"connection", "query"}`` or ``{"prefix", "format"}``; what was read is kept,
    so that reading again gives the same rows.
    """

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(
        max_length=16, choices=DatasetStatus.choices, default=DatasetStatus.PENDING
    )
    tier = models.CharField(max_length=16, choices=Tier.choices, default=Tier.RAW)
    format = models.CharField(max_length=16)
    file_label = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    columns = models.JSONField(default=list, blank=True)
    profile = models.JSONField(default=list, blank=True)
    parts = models.JSONField(default=list, blank=True)
    source = models.JSONField(null=True, blank=True)
    errors = models.JSONField(default=list, blank=True)
    error_count = models.PositiveBigIntegerField(default=0)
    parents = models.ManyToManyField("self", symmetrical=False, related_name="children", blank=True)
    reading_until = models.DateTimeField(null=True, blank=True)
    read_attempts = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="uploaded_dataset_versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Bytes and rows are gone by retention; what was known about them stays.
    erased_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_number_once"),
            one_of("status", DatasetStatus.values, "dataset_status_known"),
            one_of("tier", Tier.values, "dataset_tier_known"),
            models.CheckConstraint(
                condition=~Q(status="ready") | Q(rows__isnull=False),
                name="dataset_ready_has_rows",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="dataset_by_status"),
            models.Index(
                fields=["reading_until"],
                condition=Q(reading_until__isnull=False),
                name="dataset_being_read",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name}@{self.number}"

    @property
    def profile_state(self) -> ProfileState:
        """Whether there are figures; those of a job's output are found after it was made."""
        if self.profile:
            return ProfileState.FOUND
        is_ready = self.status == DatasetStatus.READY and self.erased_at is None
        is_wanted = is_ready and self.columns and self.read_attempts < READ_ATTEMPTS_MAX
        return ProfileState.WAITING if is_wanted else ProfileState.NONE

    def require_kept(self) -> None:
        """Raise RowsErased where retention has taken the bytes."""
        if self.erased_at is not None:
            raise RowsErased(f"The rows of {self} were erased on {self.erased_at:%Y-%m-%d}.")

    def require_rows(self) -> None:
        """Raise RowsErased or StateConflict unless there are rows that can be read now."""
        self.require_kept()
        if self.status != DatasetStatus.READY:
            raise StateConflict(f"{self} is {self.status}: it has no rows to be read.")
