"""The scoring of one dataset version by one model version: the head of the ledger."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models.base import TimeOrdered, one_of
from serving.batch.columns import OnRowError
from serving.models.batch_job_rows import BatchJobQuerySet
from serving.models.job_states import ACTIVE_STATES, ENDED_STATES, JobState, PausedReason


class BatchJob(TimeOrdered):
    """What was asked for, pinned at acceptance, and how far it has come.

    ``version_sha256`` is the digest of the bytes that were accepted. ``outputs`` null means the
    model's default, ``keep_columns`` null means all. ``rows_total`` is null until the dataset's
    rows are known; ``rows_done`` counts the rows of chunks that are done, rejected rows included.
    ``output_columns`` are signature columns as JSON, set by the first chunk that is done: every
    other chunk must have the same. ``error`` is ``{"code", "detail", ...}`` of a failed job,
    and of one that will fail with it when its earlier rows have been answered.

    ``waits_for_rows`` as long as the dataset version is still to be read: no worker looks at the
    job until it is cleared. ``paused_until`` keeps its chunks from being claimed. ``chunks_total``,
    ``chunks_done`` and ``chunks_failed`` are counted here with each move of a chunk.
    ``retried_at`` and ``rows_at_retry`` say from when and from how many rows on the last retry
    works; null and 0 without one. With a ``compared_version`` each row is scored by it too, and
    ``report`` says how the two differ. With a ``sink_connection`` the results are written into its
    table ``sink_table`` as well.
    """

    # Without an index of their own where one below begins with them.
    model = models.ForeignKey(
        "registry.RegisteredModel", models.PROTECT, related_name="batch_jobs", db_index=False
    )
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="batch_jobs")
    version_sha256 = models.CharField(max_length=64)
    model_ref = models.CharField(max_length=200)
    dataset = models.ForeignKey(
        "registry.Dataset", models.PROTECT, related_name="batch_jobs", db_index=False
    )
    dataset_version = models.ForeignKey(
        "registry.DatasetVersion", models.PROTECT, related_name="batch_jobs"
    )
    compared_version = models.ForeignKey(
        "registry.ModelVersion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="compared_in_jobs",
    )
    compared_sha256 = models.CharField(max_length=64, blank=True)
    sink_connection = models.ForeignKey(
        "registry.Connection",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="batch_jobs",
    )
    sink_table = models.CharField(max_length=200, blank=True)
    outputs = models.JSONField(null=True, blank=True)
    keep_columns = models.JSONField(null=True, blank=True)
    on_row_error = models.CharField(
        max_length=8, choices=[(c.value, c.value) for c in OnRowError], default="reject"
    )
    chunk_rows = models.PositiveIntegerField()
    priority = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=24, choices=JobState.choices, default=JobState.QUEUED)
    rows_total = models.PositiveBigIntegerField(null=True, blank=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    rows_rejected = models.PositiveBigIntegerField(default=0)
    chunks_total = models.PositiveIntegerField(default=0)
    chunks_done = models.PositiveIntegerField(default=0)
    chunks_failed = models.PositiveIntegerField(default=0)
    waits_for_rows = models.BooleanField(default=False)
    paused_reason = models.CharField(max_length=24, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    report = models.JSONField(null=True, blank=True)
    output_columns = models.JSONField(null=True, blank=True)
    output = models.ForeignKey(
        "registry.DatasetVersion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="made_by_jobs",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="batch_jobs", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    retried_at = models.DateTimeField(null=True, blank=True)
    rows_at_retry = models.PositiveBigIntegerField(default=0)

    objects = BatchJobQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            one_of("state", JobState.values, "job_state_known"),
            one_of("on_row_error", [c.value for c in OnRowError], "job_on_row_error_known"),
            one_of("paused_reason", ["", *PausedReason.values], "job_paused_reason_known"),
            models.CheckConstraint(condition=Q(chunk_rows__gte=1), name="job_chunk_has_rows"),
            models.CheckConstraint(
                condition=Q(rows_total__isnull=True, rows_done=0)
                | Q(rows_total__isnull=False, rows_done__lte=models.F("rows_total")),
                name="job_done_within_total",
            ),
            models.CheckConstraint(
                condition=Q(rows_rejected__lte=models.F("rows_done")),
                name="job_rejected_within_done",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["completed", "completed_with_rejects"])
                | Q(
                    output__isnull=False,
                    rows_total__isnull=False,
                    rows_done=models.F("rows_total"),
                ),
                name="job_completed_has_all_rows",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | Q(error__isnull=False),
                name="job_failed_has_error",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(
                    state__in=[s.value for s in ENDED_STATES],
                    finished_at__isnull=False,
                ),
                name="job_finished_when_ended",
            ),
            models.CheckConstraint(
                condition=~Q(waits_for_rows=True) | ~Q(state="running"),
                name="job_that_runs_has_rows",
            ),
            models.CheckConstraint(
                condition=Q(compared_version__isnull=True, compared_sha256="")
                | (Q(compared_version__isnull=False) & ~Q(compared_sha256="")),
                name="job_compared_whole",
            ),
            models.CheckConstraint(
                condition=Q(sink_connection__isnull=True, sink_table="")
                | (Q(sink_connection__isnull=False) & ~Q(sink_table="")),
                name="job_sink_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="job_by_state"),
            models.Index(fields=["model", "-id"], name="job_by_model"),
            models.Index(fields=["dataset", "-id"], name="job_by_dataset"),
            # Claiming asks for the principals with jobs in a state, then for the first of each.
            models.Index(
                fields=["state", "waits_for_rows", "created_by", "-priority", "id"],
                name="job_by_principal",
            ),
        ]

    def __str__(self) -> str:
        return f"batch job {self.pk}"

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE_STATES

    @property
    def paused_words(self) -> str:
        """Why it waits, in a sentence; empty while it goes on."""
        return str(PausedReason(self.paused_reason).label) if self.paused_reason else ""

    @property
    def output_name(self) -> str:
        """What the output dataset is called, or will be."""
        if self.output is not None:
            return self.output.dataset.name
        return f"{self.model.name}-job-{self.pk}"

    @property
    def hides_cells(self) -> bool:
        """Whether rejects must not repeat cells: the model or the dataset is confidential."""
        return self.model.hides_cells or self.dataset.hides_cells
