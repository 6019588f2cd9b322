"""Files stay while a backup copies them; they are removed while none does.

A lock that ends with the process that holds it: a session's lock of PostgreSQL, on many machines;
with SQLite, which one machine has to itself, a lock on a file of the state folder.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from registry.conf import conf

# Of all numbers that advisory locks may have: "my" and a place in a list of one.
_NUMBER = 0x6D79_0001


@contextmanager
def files_stay(session: BaseDatabaseWrapper) -> Iterator[None]:
    """Nothing is removed within the block; waits until nobody does. ``session`` stays open."""
    with ExitStack() as held:
        if session.vendor == "postgresql":
            _ask(session, "pg_advisory_lock_shared")
            held.callback(_ask, session, "pg_advisory_unlock_shared")
        else:
            held.enter_context(_flock(fcntl.LOCK_SH))
        yield


@contextmanager
def may_remove_files() -> Iterator[bool]:
    """Whether files may be removed within the block; False while they are copied, or removed."""
    with ExitStack() as held:
        if connection.vendor == "postgresql":
            is_ours = _ask(connection, "pg_try_advisory_lock")
            if is_ours:
                held.callback(_ask, connection, "pg_advisory_unlock")
        else:
            is_ours = held.enter_context(_flock(fcntl.LOCK_EX | fcntl.LOCK_NB))
        yield is_ours


def _ask(session: BaseDatabaseWrapper, function: str) -> bool:
    with session.cursor() as cursor:
        cursor.execute(f"SELECT {function}({_NUMBER})")
        return cursor.fetchone()[0] is not False


@contextmanager
def _flock(how: int) -> Iterator[bool]:
    path = conf.home / "locks" / "files"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, how)
        except BlockingIOError:
            yield False
        else:
            yield True
