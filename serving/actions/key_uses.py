"""Writes down that keys are in use, in the background: who scores does not wait for a write."""

from __future__ import annotations

import logging
import os
import queue
import threading

from django.db import connection

from registry.actions.access import note_use
from registry.models import ApiKey

log = logging.getLogger(__name__)


class _Writer:
    """A thread that begins with the first key and ends with the process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no threads."""
        self._keys: queue.SimpleQueue[ApiKey] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_begun = False

    def put(self, key: ApiKey) -> None:
        self._keys.put(key)
        with self._lock:
            if not self._is_begun:
                self._is_begun = True
                threading.Thread(target=self._write, name="key-uses", daemon=True).start()

    def _write(self) -> None:
        while True:
            key = self._keys.get()
            try:
                note_use(key)
            except Exception as error:  # it is written with the next use
                log.warning("The use of %s was not written down: %s", key, error)
            finally:
                connection.close()


_writer = _Writer()
os.register_at_fork(after_in_child=_writer.forget)


def note_use_later(key: ApiKey) -> None:
    """Soon, and at most about once a minute for each key."""
    _writer.put(key)
