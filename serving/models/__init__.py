"""What serving remembers: batch ledger, schedules, routes and records, one class per file."""

from serving.models.batch_chunk import BatchChunk
from serving.models.batch_job import BatchJob
from serving.models.chunk_attempt import ChunkAttempt
from serving.models.mirrored_answer import MirroredAnswer
from serving.models.prediction_record import PredictionRecord
from serving.models.route import Route, RouteTarget
from serving.models.schedule import Schedule
from serving.models.scheduled_slot import ScheduledSlot

__all__ = [
    "BatchChunk",
    "BatchJob",
    "ChunkAttempt",
    "MirroredAnswer",
    "PredictionRecord",
    "Route",
    "RouteTarget",
    "Schedule",
    "ScheduledSlot",
]
