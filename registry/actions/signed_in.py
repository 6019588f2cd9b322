"""Who is signed in: what Django found out about sessions, remembered while nothing has changed.

Every write to sessions and to users is announced (``registry.governing``): a session that was
ended, and those of somebody who has left or has a new password, are asked about again at once, and
within a second in every process. What is remembered is not good beyond the end of the session,
which nothing here puts off. Refusals are not remembered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest

from registry import changes
from registry.models import User
from registry.sessions import kept_key

KEPT = 4096


class _Found(NamedTuple):
    """Whose session it is, and when it ends."""

    user: User
    ends_s: float
    read: changes.Moment

    def holds(self) -> bool:
        """Whether nothing has changed since, and the session has not ended."""
        return time.time() < self.ends_s and self.read.is_recent()


class SignedIn:
    """The sessions of this process; those read longest ago are forgotten first."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[str, _Found] = OrderedDict()
        self._lock = threading.Lock()

    def user_of(self, request: HttpRequest) -> User | None:
        """The user of the request's session; None where nobody is signed in.

        Threads share the object: it is there to be read, and nobody saves it.
        """
        key = request.session.session_key
        user = self.known(key) if key else None
        if user is None:
            return self._read(request, key)
        # As if it had been read: the answer depends on the cookie, and says so.
        request.session.accessed = True
        return user

    def known(self, key: str) -> User | None:
        """The same of a session's key, as far as it is at hand; asks nobody."""
        found = self._kept.get(key)
        return found.user if found is not None and found.holds() else None

    def _read(self, request: HttpRequest, key: str | None) -> User | None:
        moment = changes.now()
        # Django looks at the end of the session, at the user and at the password's hash in it.
        user = get_user(request)
        if not user.is_authenticated:
            return None
        ends = _end_of(key)
        # A session that was changed on the way gets another key; what a transaction sees may
        # never be committed.
        if key and ends and not request.session.modified and not connection.in_atomic_block:
            self._keep(key, _Found(user, ends.timestamp(), moment))
        return user

    def _keep(self, key: str, found: _Found) -> None:
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)


def _end_of(key: str | None) -> datetime | None:
    if key is None:
        return None
    rows = Session.objects.filter(session_key=kept_key(key))
    return rows.values_list("expire_date", flat=True).first()


signed_in = SignedIn()
