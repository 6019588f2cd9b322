"""Tells every process that something governing has changed, and what this process has heard of it.

Whoever keeps what it read of keys, rights and versions notes ``changes.now()`` before it reads, and
reads anew once that moment is not recent. Every statement that may write to a governing table
counts, however it was made: ``save()``, ``update()``, a cascade, a join table, SQL by hand. The
news goes out through Redis when the transaction commits. It says no more than that something has
changed.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import redis
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model

from registry.redis_client import redis_client

log = logging.getLogger(__name__)

CHANNEL = "modelyard:changes"
# Who announces waits for the server as long as this, and gives up.
SOCKET_TIMEOUT_S = 1.0
PING_EVERY_S = 0.2
# How old the last answered ping may be: a connection can be dead without having been closed.
# Shorter than a second, which is what is promised, and than the patience of who announces.
IN_TOUCH_S = 0.75
GIVEN_UP_S = 5.0
# What was read is looked up again after this time; without news after that.
AGE_S = 30.0
POLL_S = 0.75
RECONNECT_S = 0.5

# What statements begin with that write nothing, as Django writes them; and those that change the
# shape of tables: what they change is for a new release, whose processes begin anew.
_QUIET = (
    *("SELECT ", "(SELECT ", "SAVEPOINT ", "RELEASE ", "BEGIN", "PRAGMA ", "COMMIT", "ROLLBACK"),
    *("CREATE ", "ALTER ", "DROP ", "COMMENT "),
)
# The shape in which Django's ORM writes to one table.
_WRITE = re.compile(r'(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM) "(\w+)"(?: |\Z)')


def _parenthesized(depth: int) -> str:
    """Text in parentheses, with so many levels of others in it; no comment, no other quotes."""
    inside = r"""[^()'";$]|'[^']*'|"\w+\""""
    within = f"{inside}|{_parenthesized(depth - 1)}" if depth else inside
    return rf"\((?:{within})*\)"


# One assignment of an UPDATE in that shape, and what follows.
_ASSIGNMENT = re.compile(rf'"(\w+)" = (?:%s|NULL|\w*{_parenthesized(3)})(?:::\w+)?(, | WHERE |\Z)')
# Table -> the columns whose change alone is no news.
_governing: dict[str, frozenset[str]] = {}


def announce_changes_of(*models: type[Model], but_for: Iterable[str] = ()) -> None:
    """From now on writes to the tables of these models are announced.

    An update that sets no other columns than ``but_for`` is not: what answers do not depend on.
    """
    for model in models:
        _governing[model._meta.db_table] = frozenset(but_for)


def watch() -> None:
    """Look at the statements of every connection from now on; called once, at start."""
    connection_created.connect(_watch, dispatch_uid="registry.changes")


def generation() -> int:
    """Goes up with every change that this process has heard of; never down. Begins to listen."""
    return _news.generation if _news.is_begun else _news.begin()


class Moment(NamedTuple):
    """When something was read: noted before the reading begins."""

    generation: int
    at_s: float

    def is_recent(self) -> bool:
        """Whether what was read then may still be used: nothing has changed that we heard of.

        It is for half a minute at most, and for less than a second where no news would come.
        """
        if self.generation != generation():
            return False
        now_s = time.monotonic()
        return now_s - self.at_s < (AGE_S if is_in_touch(now_s) else POLL_S)


def is_in_touch(now_s: float | None = None) -> bool:
    """Whether news would have come: without it, what was read is good for a moment only.

    ``now_s`` is the monotonic clock, for who has read it already.
    """
    return (time.monotonic() if now_s is None else now_s) - _news.heard_s < IN_TOUCH_S


def now() -> Moment:
    """The present moment, for who is about to read."""
    return Moment(generation(), time.monotonic())


def announce() -> None:
    """Say to all processes that something has changed: at the end of this transaction, if any."""
    _news.count()
    try:
        _publisher().publish(CHANNEL, b"")
    except (redis.RedisError, OSError) as error:
        # Where Redis is away the others are out of touch too, and look by themselves; `migrate`
        # runs before there is one. So this is no news for whoever reads the log.
        log.debug("A change could not be announced: %s", error)


class _News:
    """What this process has heard. A thread listens from the first question on.

    ``heard_s`` is when the last ping went out that came back: everything that was announced until
    then has been heard of, however late this thread got round to it.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no threads."""
        self.generation = time.monotonic_ns()
        self.heard_s = float("-inf")
        self.is_begun = False
        self._lock = threading.Lock()

    def begin(self) -> int:
        """Start the listener, if nobody has."""
        with self._lock:
            if not self.is_begun:
                self.is_begun = True
                threading.Thread(target=self._listen, name="changes", daemon=True).start()
        return self.generation

    def count(self) -> None:
        """Something has changed."""
        with self._lock:
            self.generation += 1

    def _listen(self) -> None:
        """Listen for ever; whatever happened while nobody listened counts as a change."""
        while True:
            try:
                self._listen_once()
            except Exception as error:  # the thread has nobody to tell, and must go on
                if self.heard_s > 0:
                    log.warning("Changes are not heard of, but looked for: %s", error)
            self.heard_s = float("-inf")
            time.sleep(RECONNECT_S)

    def _listen_once(self) -> None:
        with redis_client(SOCKET_TIMEOUT_S) as client, client.pubsub() as channel:
            asked_s, is_answered = time.monotonic(), False
            channel.subscribe(CHANNEL)
            while is_answered or time.monotonic() - asked_s < GIVEN_UP_S:
                told = channel.get_message(timeout=PING_EVERY_S)
                if told is not None and told["type"] == "message":
                    self.count()
                elif told is not None:
                    self._hear(asked_s)
                    is_answered = True
                if is_answered and time.monotonic() - asked_s >= PING_EVERY_S:
                    asked_s, is_answered = time.monotonic(), False
                    channel.ping()
            raise redis.ConnectionError("no word from the server")

    def _hear(self, asked_s: float) -> None:
        """The server has answered what was asked then.

        Behind a silence something may have changed: who wanted to say so has given up meanwhile.
        """
        if time.monotonic() - self.heard_s > IN_TOUCH_S:
            self.count()
        self.heard_s = asked_s


_news = _News()
os.register_at_fork(after_in_child=_news.forget)


@lru_cache(maxsize=1)
def _publisher() -> redis.Redis:
    """One for all threads: its pool knows of them, and of forks."""
    return redis_client(SOCKET_TIMEOUT_S)


def _watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _look not in connection.execute_wrappers:
        # First: whoever adds one for a while takes the last one away again.
        connection.execute_wrappers.insert(0, _look)


def _look(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Let the statement run; announce at the commit if it wrote what governs."""
    done = execute(sql, params, many, context)
    text = str(sql)  # by hand it may be an object of the driver's
    if (not text.startswith(_QUIET) or ";" in text) and _is_news(text):
        _announce_at_commit(context["connection"])
    return done


def _is_news(sql: str) -> bool:
    """Whether a statement may have changed what governs.

    Surely not, if it is as the ORM writes it and writes to another table or to ignored columns
    alone. Of any other that names a governing table nobody knows.
    """
    written = _WRITE.match(sql)
    if written is None or ";" in sql:
        return bool(_governing) and _names(tuple(_governing)).search(sql) is not None
    ignored = _governing.get(written[2])
    if ignored is None:
        return False
    columns = _set_columns(sql, written.end()) if written[1] == "UPDATE" else None
    return columns is None or not columns <= ignored


def _set_columns(sql: str, start: int) -> set[str] | None:
    """The columns that an UPDATE sets, read from ``SET`` on; None if it is not the ORM's."""
    if not sql.startswith("SET ", start) or "--" in sql or "/*" in sql:
        return None
    columns, at = set(), start + len("SET ")
    while assigned := _ASSIGNMENT.match(sql, at):
        columns.add(assigned[1])
        if assigned[2] != ", ":
            return columns
        at = assigned.end()
    return None


@lru_cache(maxsize=1)
def _names(tables: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, tables))})\b", re.IGNORECASE)


def _announce_at_commit(connection: BaseDatabaseWrapper) -> None:
    """Once for a transaction, however much it writes.

    One that is registered already does: it goes with a savepoint only if this statement does too.
    It stands before all other hooks: those behind one that raises are never called.
    """
    if any(registered[1] is announce for registered in connection.run_on_commit):
        return
    transaction.on_commit(announce, using=connection.alias, robust=True)
    if connection.in_atomic_block:  # without a transaction it has been called already
        connection.run_on_commit.insert(0, connection.run_on_commit.pop())
