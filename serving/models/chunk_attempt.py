"""What became of each attempt at a chunk: append-only, written when the attempt has ended."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from registry.models.base import one_of
from serving.models.batch_chunk import BatchChunk


class AttemptOutcome(models.TextChoices):
    """How an attempt ended.

    Lost: its lease ran out, noted by somebody else. Fenced: its result came too late, or the job
    was cancelled. Released: given back, no fault of the chunk. Split: too slow, now several chunks.
    Narrowed: split around the rows on which the model fails.
    """

    DONE = "done"
    ERROR = "error"
    LOST = "lost"
    FENCED = "fenced"
    RELEASED = "released"
    SPLIT = "split"
    NARROWED = "narrowed"


class ChunkAttempt(models.Model):
    """Who tried, from when to when, and how it ended.

    ``signal`` is the number of the signal that ended the process, null where none is known;
    ``cpu_s`` and ``max_memory_bytes`` are those of the worker's process during the attempt,
    ``phases`` the seconds by what it did (``read``, ``validate``, ``score``, ``write``, ``store``,
    ``sink``), ``rows`` how many rows it scored; null when it died.
    """

    chunk = models.ForeignKey(BatchChunk, models.CASCADE, related_name="attempts")
    attempt = models.PositiveIntegerField()
    worker = models.CharField(max_length=128)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=8, choices=AttemptOutcome.choices)
    reason = models.TextField(blank=True)
    signal = models.SmallIntegerField(null=True)
    cpu_s = models.FloatField(null=True)
    max_memory_bytes = models.PositiveBigIntegerField(null=True)
    rows = models.PositiveBigIntegerField(null=True)
    phases = models.JSONField(null=True)

    class Meta:
        ordering = ("chunk", "attempt")
        constraints = [
            one_of("outcome", AttemptOutcome.values, "attempt_outcome_known"),
            models.UniqueConstraint(
                fields=["chunk", "attempt", "outcome"], name="attempt_ends_once"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.chunk_id}: {self.outcome}"
