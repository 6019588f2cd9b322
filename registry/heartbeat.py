"""Keeps a lease alive while long work goes on, and notices when the lease was lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from django.db import Error, connection

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Somebody else has the work, or it is no longer wanted."""


class Heartbeat:
    """Calls ``extend`` every ``every_s`` seconds, from a thread of its own, inside a with block.

    ``extend`` says whether the lease still was ours. A beat that the database does not take is
    tried again at once on a new connection, then with the next: with a third of the lease as the
    pace, two may fail.
    """

    def __init__(self, extend: Callable[[], bool], *, every_s: float, name: str) -> None:
        self._extend = extend
        self._every_s = every_s
        self._name = name
        self._stop = threading.Event()
        self._is_lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LeaseLost when the last beat found the lease gone."""
        if self._is_lost.is_set():
            raise LeaseLost(self._name)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_s) and not self._is_lost.is_set():
                self._beat()
        finally:
            connection.close()

    def _beat(self) -> None:
        for is_last in (False, True):
            try:
                if not self._extend():
                    self._is_lost.set()
            except Error as error:
                log.warning("Heartbeat of %s failed: %s", self._name, error)
                if is_last or connection.in_atomic_block:
                    return
                # A session that the database has ended stays broken until it is closed.
                with suppress(Error):
                    connection.close()
            else:
                return
