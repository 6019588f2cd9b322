"""The third ladder upwards: run a named task, with ids only, once the change is committed.

The broker is a doorbell: where it cannot be rung, the row that waits is found by the next
reconciling pass, so a failed ring is logged and nothing is lost.
"""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

INGEST_DATASET = "registry.ingest_dataset"
PROFILE_DATASET = "registry.profile_dataset"
CHECK_VERSION = "serving.check_version"
DRIVE_JOB = "serving.drive"
REGATE = "serving.regate"
COMPILE_VERSION = "serving.compile"
SEND_WEBHOOKS = "registry.send_webhooks"
PRUNE = "registry.prune"
SEND_MAILS = "registry.send_mails"
SEND_RESET = "registry.send_reset"


def enqueue(task_name: str, *ids: object) -> None:
    """Ring for ``task_name`` with the ids as text when the transaction commits."""
    transaction.on_commit(lambda: _ring(task_name, [str(i) for i in ids]), robust=True)


def _ring(task_name: str, ids: list[str]) -> None:
    try:
        current_app.signature(task_name, args=ids).apply_async(retry=False)
    except (OSError, OperationalError) as error:
        log.warning("Could not ring for %s %s: %s", task_name, ids, error)
