"""Where a batch job stands, where it may go from there, and why it waits."""

from __future__ import annotations

from django.db import models


class JobState(models.TextChoices):
    """Where a job stands. Queued: no chunk was made yet; running: its chunks can be claimed."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = JobState
# The one table of moves. What leads out of an end is a retry.
JOB_MOVES: dict[str, frozenset[str]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.COMPLETED_WITH_REJECTS, _S.FAILED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.COMPLETED_WITH_REJECTS: frozenset({_S.RUNNING}),
    _S.FAILED: frozenset({_S.QUEUED, _S.RUNNING}),
    _S.CANCELLED: frozenset(),
}
ACTIVE_STATES = (JobState.QUEUED, JobState.RUNNING)
ENDED_STATES = tuple(state for state in JobState if state not in ACTIVE_STATES)


class PausedReason(models.TextChoices):
    """Why a running job makes no progress for now; it goes on by itself.

    Model unavailable: the model host is away or full, or the model is suspended for a while. Sink:
    the database that the results are written into.
    """

    STORAGE_FULL = "storage-full", "No space is left where results are kept."
    STORAGE_UNAVAILABLE = "storage-unavailable", "The storage does not answer."
    MODEL_UNAVAILABLE = (
        "model-unavailable",
        "The model host does not answer, or the model may not be called for a while.",
    )
    SINK_UNAVAILABLE = (
        "sink-unavailable",
        "The database that the results are written into does not answer, or does not let us in.",
    )
