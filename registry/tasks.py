"""The registry's tasks: ids in, one action called, nothing returned."""

from __future__ import annotations

from celery import shared_task

from registry.actions import mailing, webhook_sending
from registry.actions.ingest import ingest_dataset
from registry.actions.passwords import send_reset
from registry.actions.profiling import find_profile
from registry.actions.pruning import prune_in_background
from registry.queue import (
    INGEST_DATASET,
    PROFILE_DATASET,
    PRUNE,
    SEND_MAILS,
    SEND_RESET,
    SEND_WEBHOOKS,
)

# A file of many gigabytes takes its time; its lease says whether somebody is still at it.
LONGEST_S = 6 * 3600


@shared_task(name=INGEST_DATASET, soft_time_limit=LONGEST_S, time_limit=LONGEST_S + 60)
def ingest(version_id: str) -> None:
    """Read an uploaded dataset version."""
    ingest_dataset(version_id)


@shared_task(name=PROFILE_DATASET, soft_time_limit=LONGEST_S, time_limit=LONGEST_S + 60)
def profile(version_id: str) -> None:
    """Find the figures of a job's output."""
    find_profile(version_id)


# Above the budget and one call.
@shared_task(name=SEND_WEBHOOKS, soft_time_limit=60, time_limit=70)
def send_webhooks() -> None:
    """Send what waits in the outbox."""
    webhook_sending.send_due()


# A mail server that does not answer is asked again, within the hour that the link is good for.
@shared_task(
    name=SEND_RESET, soft_time_limit=60, autoretry_for=(OSError,), retry_backoff=20, max_retries=6
)
def send_password_reset(user_id: str) -> None:
    """Send the link for a forgotten password."""
    send_reset(user_id)


# Django gives up on a server that is silent for ten seconds.
@shared_task(name=SEND_MAILS, soft_time_limit=300, time_limit=320)
def send_mails() -> None:
    """Send the mails about approvals that wait."""
    mailing.send_due_mails()


# A bucket with millions of files takes its time to be listed.
@shared_task(name=PRUNE, soft_time_limit=LONGEST_S, time_limit=LONGEST_S + 60)
def run_prune() -> None:
    """Remove what has had its time."""
    prune_in_background()
