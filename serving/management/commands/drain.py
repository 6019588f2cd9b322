"""`manage.py drain`: works on batch jobs in this process, without Celery, until none is left."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registry.actions.profiling import find_profile
from registry.models import DatasetVersion
from serving.actions.drive import drive
from serving.models import BatchJob
from serving.models.job_states import JobState
from serving.tasks import worker_name

WAIT_S = 0.5


class Command(BaseCommand):
    """The worker's own loop; chunks that wait for a backoff are waited for."""

    help = "Work on batch jobs in this process until none is left."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command line."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="stop as soon as nothing can be claimed, even if jobs wait",
        )
        parser.add_argument(
            "--timeout", type=float, default=None, metavar="SECONDS", help="stop after this time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Drive until the end."""
        timeout: float | None = options["timeout"]
        ends_at = None if timeout is None else time.monotonic() + timeout
        chunks = 0
        while True:
            worked = drive(owner=worker_name())
            chunks += worked
            if ends_at is not None and time.monotonic() >= ends_at:
                break
            if not worked:
                if options["once"] or not _is_work_left():
                    _find_profiles()
                    break
                time.sleep(WAIT_S)
        left = BatchJob.objects.active().count()
        self.stdout.write(f"{chunks} chunks done, {left} jobs left")


def _find_profiles() -> None:
    """Of the outputs that were made, as a worker would afterwards."""
    for version_id in list(DatasetVersion.objects.awaiting_profile().values_list("pk", flat=True)):
        find_profile(version_id)


def _is_work_left() -> bool:
    """Whether something runs or can start; jobs whose dataset is not read yet do not count."""
    running = BatchJob.objects.filter(state=JobState.RUNNING)
    return running.exists() or BatchJob.objects.startable().exists()
