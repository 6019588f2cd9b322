"""Removes what has had its time: expired records, bytes that nobody may use, files without a row.

Each step says what it has removed, or would. A legal hold wins over every age; what a person made
and may still look at stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry import audit
from registry.actions.pruning_files import (
    Held,
    count_orphans,
    let_dataset_versions_go,
    let_versions_go,
    names_in_rows,
    remove_orphans,
)
from registry.actions.retention import erase_expired
from registry.errors import StorageAway
from registry.models import ApiKey, IdempotencyRecord
from registry.storage.turns import may_remove_files

log = logging.getLogger(__name__)

IDEMPOTENCY_KEPT = timedelta(hours=24)
KEYS_KEPT = timedelta(days=90)
SIGN_INS_KEPT = timedelta(days=90)
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many of what were removed, or would be; ``size_bytes`` of files, None of rows."""

    what: str
    count: int
    size_bytes: int | None = None


# Steps of serving; each is told whether it is only to count.
MORE_STEPS: list[Callable[[bool], Pruned]] = []


def prune(*, dry_run: bool = False) -> Iterator[Pruned]:
    """Go through all steps, and say after each what went; with ``dry_run`` only count.

    May run beside the service, at any time, and by several at once. Files stay as long as a backup
    copies them: then ``FilesAreKept`` is raised, after the steps that only remove rows. Raises
    StorageAway; the next time goes on.
    """
    for step in (_records, _sessions, _sign_ins, _keys, *MORE_STEPS):
        yield step(dry_run)
    with may_remove_files() as is_ours:
        if not is_ours:
            raise FilesAreKept
        yield from _files(dry_run)


def prune_in_background() -> None:
    """The same at night, with what went in the log; what cannot be done now waits for the next."""
    try:
        for step in prune():
            if step.count:
                log.info("Pruned %s %s, %s bytes", step.count, step.what, step.size_bytes or 0)
    except (FilesAreKept, StorageAway) as error:
        log.warning("Pruning is put off: %s", error)


class FilesAreKept(Exception):
    """A backup copies files, or somebody else prunes."""

    def __init__(self) -> None:
        super().__init__("A backup is being made, or files are being pruned already: try later.")


def _files(dry_run: bool) -> Iterator[Pruned]:
    if dry_run:
        rows, held = _foreseen()
        yield from rows
        count, size_bytes = count_orphans(held)
    else:
        yield from _let_go()
        count, size_bytes = remove_orphans()
    yield Pruned("files that no row names", count, size_bytes)


def _let_go() -> Iterator[Pruned]:
    """The rows that name no files any more."""
    yield Pruned("rejected versions of models whose bytes are let go", let_versions_go())
    yield Pruned("rejected versions of datasets whose bytes are let go", let_dataset_versions_go())
    erased = erase_expired()
    yield Pruned("versions of datasets past their retention", erased.versions, erased.size_bytes)


@transaction.atomic
def _foreseen() -> tuple[list[Pruned], Held]:
    """What would be let go, and the names that rows would still hold: done, and taken back.

    One step decides what the next one finds, so that counting each by itself says something else
    than the run then does.
    """
    rows, held = list(_let_go()), names_in_rows()
    transaction.set_rollback(True)
    return rows, held


def _records(dry_run: bool) -> Pruned:
    old = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_KEPT)
    return Pruned("answers kept for Idempotency-Key", removed(old, dry_run))


def _sessions(dry_run: bool) -> Pruned:
    ended = Session.objects.filter(expire_date__lt=timezone.now())
    return Pruned("sessions that have ended", removed(ended, dry_run))


def _sign_ins(dry_run: bool) -> Pruned:
    """Those that went wrong, and the log of the others: the audit trail is another thing."""
    before = timezone.now() - SIGN_INS_KEPT
    models = (apps.get_model("axes", name) for name in ("AccessAttempt", "AccessLog"))
    counts = [removed(m._base_manager.filter(attempt_time__lt=before), dry_run) for m in models]
    return Pruned("notes of signing in", sum(counts))


def _keys(dry_run: bool) -> Pruned:
    before = timezone.now() - KEYS_KEPT
    ended = ApiKey.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))
    note = partial(audit.record, None, "api_key.prune", reason="It ended 90 days ago.")
    return Pruned("keys that ended long ago", removed(ended, dry_run, note))


def removed(rows: QuerySet[Any], dry_run: bool, note: Callable[[Any], object] | None = None) -> int:
    """Remove the rows, some at a time, so that nobody waits long for a lock; how many there were.

    ``note`` is called with each row before it goes, in that transaction. Of two that remove the
    same rows each row is one's alone.
    """
    if dry_run:
        return rows.count()
    count = 0
    while some := _remove_some(rows, note):
        count += some
    return count


@transaction.atomic
def _remove_some(rows: QuerySet[Any], note: Callable[[Any], object] | None) -> int:
    held = rows.select_for_update(of=("self",)).order_by("pk")
    if note is None:  # Bodies may be large: they are not read.
        ids = list(held.values_list("pk", flat=True)[:AT_ONCE])
    else:
        some = list(held[:AT_ONCE])
        ids = [row.pk for row in some]
        for row in some:
            note(row)
    rows.model._base_manager.filter(pk__in=ids).delete()
    return len(ids)
