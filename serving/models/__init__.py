"""What serving remembers: the batch ledger and the schedules, one class per file."""

from serving.models.batch_chunk import BatchChunk
from serving.models.batch_job import BatchJob
from serving.models.chunk_attempt import ChunkAttempt
from serving.models.schedule import Schedule
from serving.models.scheduled_slot import ScheduledSlot

__all__ = ["BatchChunk", "BatchJob", "ChunkAttempt", "Schedule", "ScheduledSlot"]
