"""A range of rows of a job: what is claimed, scored and committed as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from registry.models.base import one_of

if TYPE_CHECKING:
    from serving.models.batch_job import BatchJob


class ChunkState(models.TextChoices):
    """Leased: an attempt holds it until ``lease_until``. Done and failed are ends."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class BatchChunkQuerySet(models.QuerySet["BatchChunk"]):
    """Chunks by state; every move is one conditional update whose row count the caller checks."""

    def in_row_order(self) -> BatchChunkQuerySet:
        """By the rows that they cover."""
        return self.order_by("row_start")

    def claimable(self) -> BatchChunkQuerySet:
        """Pending ones whose backoff is over."""
        ripe = Q(not_before__isnull=True) | Q(not_before__lte=Now())
        return self.filter(ripe, state=ChunkState.PENDING)

    def expired(self) -> BatchChunkQuerySet:
        """Leased by somebody who has not been heard of since."""
        return self.filter(state=ChunkState.LEASED, lease_until__lt=Now())

    def held_by(self, chunk: BatchChunk) -> BatchChunkQuerySet:
        """The chunk as long as this attempt holds it: the fence. At most one row.

        The owner too: a standby that takes over without the last claims gives their numbers again.
        """
        return self.filter(
            pk=chunk.pk,
            state=ChunkState.LEASED,
            attempt=chunk.attempt,
            lease_owner=chunk.lease_owner,
        )

    def lease(self, chunk: BatchChunk, *, owner: str, lease_s: float) -> bool:
        """Take a pending chunk: the next attempt is ours. False when somebody was quicker."""
        return bool(
            self.filter(pk=chunk.pk, state=ChunkState.PENDING, attempt=chunk.attempt).update(
                state=ChunkState.LEASED,
                attempt=F("attempt") + 1,
                rows_scored=0,
                lease_owner=owner,
                lease_until=Now() + timedelta(seconds=lease_s),
                claimed_at=Now(),
            )
        )

    def extend(self, chunk: BatchChunk, *, lease_s: float, rows_scored: int = 0) -> bool:
        """A heartbeat, with how far it has come.

        False when the lease was lost or the job no longer runs.
        """
        mine = self.held_by(chunk).filter(job__state="running")
        lease_until = Now() + timedelta(seconds=lease_s)
        return bool(mine.update(lease_until=lease_until, rows_scored=rows_scored))

    def counts_of(self, jobs: Iterable[BatchJob]) -> dict[UUID, dict[str, int]]:
        """How many chunks of each job are in each state; every state is named."""
        wanted = [job.pk for job in jobs]
        counts = {pk: dict.fromkeys(ChunkState.values, 0) for pk in wanted}
        rows = self.filter(job__in=wanted).order_by().values_list("job", "state")
        for job, state, count in rows.annotate(count=models.Count("pk")):
            counts[job][state] = count
        return counts


class BatchChunk(models.Model):
    """Rows ``row_start`` up to, not including, ``row_stop``.

    ``attempt`` counts the claims and is the fencing token: only its holder may write. ``failures``
    counts errors, ``losses`` leases that ran out. ``output_name`` is empty for a chunk that is
    not done or has no good row, ``rejects_name`` where nothing was rejected; ``rows_out`` and
    ``rejects`` count rows. ``rows_scored`` is how far the present attempt has come, as its
    heartbeat says. ``is_guarded``: the compiled graph is run in the model host, because workers
    have died of the chunk. ``summary`` is the chunk's part of the comparison of two versions, null
    where nothing is compared. All times are the database's.
    """

    job = models.ForeignKey("serving.BatchJob", models.CASCADE, related_name="chunks")
    index = models.PositiveIntegerField()
    row_start = models.PositiveBigIntegerField()
    row_stop = models.PositiveBigIntegerField()
    state = models.CharField(max_length=8, choices=ChunkState.choices, default=ChunkState.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    losses = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    output_name = models.CharField(max_length=200, blank=True)
    output_sha256 = models.CharField(max_length=64, blank=True)
    output_bytes = models.PositiveBigIntegerField(default=0)
    rows_out = models.PositiveBigIntegerField(default=0)
    rejects = models.PositiveBigIntegerField(default=0)
    rejects_name = models.CharField(max_length=200, blank=True)
    rejects_sha256 = models.CharField(max_length=64, blank=True)
    rows_scored = models.PositiveBigIntegerField(default=0)
    is_guarded = models.BooleanField(default=False)
    summary = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)

    # What this process's attempt has taken so far; None in every other process.
    facts: Callable[[], dict[str, Any]] | None = None

    objects = BatchChunkQuerySet.as_manager()

    class Meta:
        ordering = ("job", "row_start")
        constraints = [
            one_of("state", ChunkState.values, "chunk_state_known"),
            models.UniqueConstraint(fields=["job", "index"], name="chunk_index_once_per_job"),
            models.UniqueConstraint(fields=["job", "row_start"], name="chunk_rows_once_per_job"),
            models.CheckConstraint(
                condition=Q(row_stop__gte=F("row_start")), name="chunk_range_forward"
            ),
            models.CheckConstraint(
                condition=~Q(state="done")
                | Q(row_stop=F("row_start") + F("rows_out") + F("rejects")),
                name="chunk_done_has_all_rows",
            ),
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(lease_until__isnull=False, attempt__gte=1),
                name="chunk_leased_has_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["job", "state", "row_start"], name="chunk_claim"),
            models.Index(fields=["state", "lease_until"], name="chunk_by_lease"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.index} of {self.job_id}"

    @property
    def rows(self) -> int:
        """How many rows go in."""
        return self.row_stop - self.row_start
