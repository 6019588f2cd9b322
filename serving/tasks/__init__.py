"""Serving's tasks: ids in, one action called, nothing returned.

Every worker rings for the reconciler too, so that the ledger goes on when beat is away.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_ready, worker_shutting_down
from kombu.exceptions import OperationalError

from registry.queue import CHECK_VERSION, COMPILE_VERSION, DRIVE_JOB, REGATE
from serving.actions import drive as driving
from serving.actions import probes, reconcile, ticking
from serving.actions.compiling import compile_by_id
from serving.actions.regate import regate_in_background
from serving.batch.stop_sign import StopSign

log = logging.getLogger(__name__)

TICK = "serving.tick"
RECONCILE = "serving.reconcile"
RECONCILE_EVERY_S = 10.0
# Below the reconciler's rings for it: one run ends before the next begins.
REGATE_BUDGET_S = 45.0
# Made here, before the worker forks: the main process puts it up, its children see it.
is_stopping = StopSign()


# Below the lease of the checks.
@shared_task(name=CHECK_VERSION, soft_time_limit=860, time_limit=880)
def check_version(version_id: str) -> None:
    """Run the checks of a version."""
    probes.check_version(version_id)


# Above the budget and one chunk: the limits are for a worker that hangs.
@shared_task(
    name=DRIVE_JOB,
    soft_time_limit=170,
    time_limit=180,
    Request="serving.tasks.lost_workers:DriveRequest",
)
def drive(job_id: str = "") -> None:
    """Work on chunks: which ones is the ledger's choice, the id only says why it rang."""
    driving.drive(owner=worker_name(), is_stopping=is_stopping)


@shared_task(name=TICK)
def tick() -> None:
    """Make jobs of what is due."""
    ticking.tick()


@shared_task(name=RECONCILE)
def run_reconcile() -> None:
    """Find what nobody works on, and ring for it."""
    reconcile.reconcile()


# Above the deadline of one load and compile.
@shared_task(name=COMPILE_VERSION, soft_time_limit=320, time_limit=330)
def compile_one(version_id: str) -> None:
    """Compile a ready version that no converter of now has tried."""
    compile_by_id(version_id)


# Above the budget and one look that is made twice.
@shared_task(name=REGATE, soft_time_limit=320, time_limit=330)
def run_regate() -> None:
    """Look again at what another version of the gate has passed; the next ring goes on."""
    regate_in_background(budget_s=REGATE_BUDGET_S)


def worker_name() -> str:
    """This process in leases and records."""
    return name_of(os.getpid())


def name_of(pid: int) -> str:
    """A process of this machine in leases and records."""
    return f"{socket.gethostname()[:100]}:{pid}"


@worker_shutting_down.connect
def _stop_driving(**_: Any) -> None:
    is_stopping.put_up()


@worker_ready.connect
def _keep_reconciling(sender: Any, **_: Any) -> None:
    sender.timer.call_repeatedly(RECONCILE_EVERY_S, _ring_for_reconcile)


def _ring_for_reconcile() -> None:
    try:
        task = current_app.signature(RECONCILE)
        task.apply_async(expires=RECONCILE_EVERY_S, retry=False)
    except (OSError, OperationalError) as error:
        log.warning("Could not ring for %s: %s", RECONCILE, error)
