"""Finds what waits and nobody works on, and rings for it again; gives up on what never ends.

The broker is a doorbell: rings get lost, workers die. This pass is cheap, may run at any time and
on several machines at once.
"""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from itertools import islice
from typing import Any

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from registry import storage
from registry.actions.datasets import record_refused
from registry.actions.mailing import is_any_mail_due
from registry.actions.profiling import want_old_profiles
from registry.actions.verdicts import record_check
from registry.actions.webhook_sending import is_any_due, sweep_deliveries
from registry.conf import conf
from registry.errors import StateConflict
from registry.models import DatasetVersion, ModelVersion
from registry.models.check import CheckName, Verdict
from registry.queue import (
    CHECK_VERSION,
    COMPILE_VERSION,
    DRIVE_JOB,
    INGEST_DATASET,
    PROFILE_DATASET,
    REGATE,
    SEND_MAILS,
    SEND_WEBHOOKS,
)
from registry.scan.edition import gate_version
from serving.actions.claims import claimable_jobs, reap_expired
from serving.actions.compiling import give_up_compile, versions_to_compile
from serving.actions.mirrors import sweep_comparisons
from serving.actions.records import sweep_records
from serving.actions.sweep import sweep_orphans

log = logging.getLogger(__name__)

# Rings expire before the next pass, so that they do not pile up where all workers are busy.
RING_EXPIRES_S = 10
DRIVES = 8
REWAITED_AT_ONCE = 20
# What was asked for just now has had its ring; the longer it waits, the rarer the next one.
PATIENCE = timedelta(seconds=20)
RING_EVERY_S = 30
MAX_ATTEMPTS = 5
GIVE_UP_LEASE_S = 60
SWEEP_EVERY_S = 3_600
RECORDS_EVERY_S = 120
# Requests that nobody may decide yet wait for long: no need to look at each pass.
MAILS_EVERY_S = 30
REGATE_EVERY_S = 60
COMPILE_EVERY_S = 60
COMPILES_AT_ONCE = 20
COMPILES_LOOKED_AT = 500
# What came to nothing for a passing reason is tried again after so long.
COMPILE_AGAIN_S = 3_600


def reconcile() -> None:
    """One pass over leases, waiting jobs, versions without checks and datasets not yet read."""
    reap_expired()
    for job_id in claimable_jobs(DRIVES):
        _ring(DRIVE_JOB, job_id)
    _ring_for_checks()
    _ring_for_ingests()
    _ring_for_profiles()
    _ring_for_regate()
    _ring_for_compiles()
    if is_any_due():
        _ring(SEND_WEBHOOKS)
    if is_any_mail_due() and _first_in(MAILS_EVERY_S, "mails"):
        _ring(SEND_MAILS)
    if _first_in(SWEEP_EVERY_S, "swept"):
        want_old_profiles()
        sweep_orphans()
        sweep_comparisons()
        sweep_deliveries()
    # Each machine has scratch files of its own.
    if _first_in(SWEEP_EVERY_S, f"scratch:{socket.gethostname()}:{conf.home}"):
        storage.sweep_scratch()
    if _first_in(RECORDS_EVERY_S, "records-swept"):
        sweep_records()


def _ring_for_checks() -> None:
    waiting = ModelVersion.objects.awaiting_check().filter(created_at__lt=Now() - PATIENCE)
    for version in waiting.order_by("id")[:REWAITED_AT_ONCE]:
        if version.check_attempts >= MAX_ATTEMPTS:
            _give_up_check(version)
        elif _is_its_turn("check", version.pk, version.check_attempts):
            _ring(CHECK_VERSION, version.pk)


def _ring_for_ingests() -> None:
    waiting = DatasetVersion.objects.awaiting_ingest().filter(created_at__lt=Now() - PATIENCE)
    for version in waiting.order_by("id")[:REWAITED_AT_ONCE]:
        if version.read_attempts >= MAX_ATTEMPTS:
            _give_up_ingest(version)
        elif _is_its_turn("ingest", version.pk, version.read_attempts):
            _ring(INGEST_DATASET, version.pk)


def _ring_for_profiles() -> None:
    waiting = DatasetVersion.objects.awaiting_profile().filter(created_at__lt=Now() - PATIENCE)
    longest = waiting.order_by("reading_until").values_list("pk", "read_attempts")
    for version_id, attempts in longest[:REWAITED_AT_ONCE]:
        if _is_its_turn("profile", version_id, attempts):
            _ring(PROFILE_DATASET, version_id)


def _ring_for_regate() -> None:
    """A new gate or a longer list: what another one has passed is looked at again."""
    is_behind = ModelVersion.objects.behind_gate(gate_version()).order_by().exists()
    if is_behind and _first_in(REGATE_EVERY_S, "regated"):
        _ring(REGATE)


def _ring_for_compiles() -> None:
    """Versions of before there were converters, or of earlier ones: some at once, in turn."""
    if not _first_in(COMPILE_EVERY_S, "compiled"):
        return
    waiting = versions_to_compile().values_list("pk", flat=True)[:COMPILES_LOOKED_AT]
    due = (pk for pk in waiting if _first_in(COMPILE_AGAIN_S, f"compile:{pk}"))
    for version_id in islice(due, COMPILES_AT_ONCE):
        _ring(COMPILE_VERSION, version_id)


def _give_up_check(version: ModelVersion) -> None:
    """Every worker that checked it died: that is its verdict."""
    if not ModelVersion.objects.claim_check(version.pk, lease_s=GIVE_UP_LEASE_S):
        return
    check = version.checks.filter(verdict=Verdict.PENDING).order_by("id").first()
    if check is None:
        return
    summary = f"Given up after {version.check_attempts} attempts: none came to an end."
    try:
        if check.name == CheckName.COMPILE:
            give_up_compile(version)
            return
        record_check(version, check.name, Verdict.FAILED, summary, {"reason": "worker-lost"})
    except StateConflict:
        log.warning("Checks of %s ended by somebody else", version)


@transaction.atomic
def _give_up_ingest(version: DatasetVersion) -> None:
    if not DatasetVersion.objects.claim_ingest(version.pk, lease_s=GIVE_UP_LEASE_S):
        return
    detail = f"Given up after {version.read_attempts} attempts: none came to an end."
    record_refused(version, errors=[{"code": "worker-lost", "detail": detail}], error_count=1)


def _is_its_turn(kind: str, pk: object, attempts: int) -> bool:
    """At most one ring in 30 seconds, after each attempt half as often."""
    return _first_in(RING_EVERY_S * 2**attempts, f"rung:{kind}:{pk}", when_away=True)


def _first_in(seconds: int, name: str, *, when_away: bool = False) -> bool:
    """Whether nobody asked for this name in so many seconds; ``when_away``: with no cache."""
    try:
        return bool(cache.add(f"reconcile:{name}", 1, timeout=seconds))
    except (OSError, RedisError) as error:
        log.warning("The cache is away: %s", error)
        return when_away


def _ring(task_name: str, *ids: Any) -> None:
    signature = current_app.signature(task_name, args=[str(pk) for pk in ids])
    try:
        signature.apply_async(expires=RING_EXPIRES_S, retry=False)
    except (OSError, OperationalError) as error:
        log.warning("Could not ring for %s %s: %s", task_name, ids, error)
