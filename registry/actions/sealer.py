"""Seals committed audit events: a thread of the beat process, every second.

Writers never wait for the chain, as they would if each event had to name the one before it. The
order of the chain is the order of sealing: an id says when an event was made, and a busy writer may
commit an older id later. No models are imported here, see ``registry/chain.py``.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from django.db import Error, IntegrityError, connection, transaction

from registry import chain
from registry.actions.audit_rounds import Rounds

log = logging.getLogger(__name__)

EVERY_S = 1.0
BATCH = 1_000
# What was made longer ago than this is looked for by the sweeps alone: no transaction of ours lasts
# so long, and no clock of ours should be so wrong.
WINDOW_S = 600
SWEEP_EVERY_S = 600
# The name of the advisory lock among those of the database: "myseal" as a number.
_LOCK = int.from_bytes(b"myseal", "big")


def seal_waiting(after: str = chain.FIRST) -> int:
    """Seal all committed events behind this id that no link covers; how many there were.

    Each batch is a transaction of its own. While another process seals, nothing is done.
    """
    sealed = 0
    while ids := chain.unsealed_ids(after, BATCH):
        done, after = _seal(ids), ids[-1]
        sealed += done
        if done == 0 or len(ids) < BATCH:
            break
    return sealed


def _seal(ids: list[str]) -> int:
    """Append links for those that have none yet; 0 where somebody else was quicker."""
    try:
        with transaction.atomic():
            if not _is_ours():
                return 0
            return _append([event for event, link in chain.events_of(ids) if link is None])
    except IntegrityError:
        # Two seal at once, against the lock: the unique columns keep the chain from forking.
        return 0


def _is_ours() -> bool:
    """Take the lock until the transaction ends. SQLite's transaction has the only one there is."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _append(events: list[chain.Event]) -> int:
    place, previous = chain.head()
    now = connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    rows = []
    for place, event in enumerate(events, place + 1):  # noqa: B020 - it goes on from the head
        hash_ = chain.hash_of(event, previous)
        rows.append((place, chain.as_stored(event["id"]), hash_, previous, now))
        previous = hash_
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO registry_auditseal (id, event_id, hash, previous, sealed_at)"
            " VALUES (%s, %s, %s, %s, %s)",
            rows,
        )
    return len(rows)


class Sealer(threading.Thread):
    """Seals every second until it is stopped, and goes through the chain meanwhile.

    What goes wrong is logged once and tried again.
    """

    def __init__(self) -> None:
        super().__init__(name="sealer", daemon=True)
        self._stop_asked = threading.Event()
        self._next_sweep_s = 0.0
        self._is_well = True
        self._rounds = Rounds()

    def stop(self) -> None:
        """End after the batch in hand; returns when it has ended."""
        self._stop_asked.set()
        self.join()

    def run(self) -> None:
        """Until ``stop``. At its start and every ten minutes the whole trail is gone through."""
        try:
            while not self._stop_asked.is_set():
                self._round()
                self._stop_asked.wait(EVERY_S)
        finally:
            connection.close()

    def _round(self) -> None:
        try:
            connection.close_if_unusable_or_obsolete()
            is_sweep = time.monotonic() >= self._next_sweep_s
            seal_waiting(chain.FIRST if is_sweep else _id_before_window())
            if is_sweep:
                self._next_sweep_s = time.monotonic() + SWEEP_EVERY_S
            self._rounds.step()
        except Exception as error:  # the thread outlives whatever a database may say
            self._tell(error)
        else:
            if not self._is_well:
                log.info("Audit events are sealed again.")
            self._is_well = True

    def _tell(self, error: Exception) -> None:
        if self._is_well:
            log.error("Audit events wait to be sealed: %s", error, exc_info=error)
        self._is_well = False
        # A session that the database has ended stays broken until it is closed.
        with suppress(Error):
            connection.close()


def _id_before_window() -> str:
    """Less than the id of any event made within the window: UUIDv7 begins with milliseconds."""
    return str(UUID(int=int((time.time() - WINDOW_S) * 1000) << 80))
