"""In the worker's main process: a child that dies over a chunk is told of at once.

Its lease would say so too, but only when it has run out.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request
from django.db import Error, connections

from serving.actions.claims import note_death
from serving.tasks import name_of

log = logging.getLogger(__name__)
_SIGNAL = re.compile(r"signal (\d+)")


class DriveRequest(Request):  # type: ignore[misc]
    """A ring for ``drive``, as the main process sees it."""

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Note the death of the child that worked on it, then what Celery does."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError) and self.worker_pid:
            note_lost(self.worker_pid, str(error))
        return super().on_failure(exc_info, *args, **options)


def note_lost(pid: int, said: str) -> None:
    """Take back what the child held; ``said`` are Celery's words, with the signal if it was one.

    Where the database is away, the lease runs out by itself.
    """
    found = _SIGNAL.search(said)
    try:
        note_death(name_of(pid), int(found[1]) if found else None)
    except Error as error:
        log.warning("The death of %s could not be noted: %s", pid, error)
    finally:
        # Children are forked from this process: no session of its own stays open.
        connections.close_all()
