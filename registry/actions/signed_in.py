"""Who is signed in: what Django found out about sessions, remembered while nothing has changed.

Every write to sessions and to users is announced (``registry.governing``): a session that was
ended, and those of somebody who has left or has a new password, are asked about again at once, and
within a second in every process. What is remembered is never good for longer than half a minute,
for a second where no news would come, and not beyond the end of the session, which nothing here
puts off. Refusals are not remembered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest

from registry import changes
from registry.models import User

AGE_S = 30.0
# Without news, what was read is looked up again after this time.
POLL_S = 1.0
KEPT = 4096


@dataclass(frozen=True, slots=True)
class _Found:
    """Whose session it is, and when it ends; read after ``generation`` was noted."""

    user: User
    ends_s: float
    generation: int
    began_s: float

    def holds(self) -> bool:
        """Whether nothing has changed since, and the session has not ended."""
        age_s = time.monotonic() - self.began_s
        is_current = self.generation == changes.generation() and time.time() < self.ends_s
        return is_current and age_s < (AGE_S if changes.is_in_touch() else POLL_S)


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
        found = self._kept.get(key) if key else None
        if found is None or not found.holds():
            return self._read(request, key)
        # As if it had been read: the answer depends on the cookie, and says so.
        request.session.accessed = True
        return found.user

    def _read(self, request: HttpRequest, key: str | None) -> User | None:
        generation, began_s = changes.generation(), time.monotonic()
        # Django looks at the end of the session, at the user and at the password's hash in it.
        user = get_user(request)
        if not user.is_authenticated:
            return None
        ends = _end_of(key)
        # A session that was changed on the way gets another key; what a transaction sees may
        # never be committed.
        if key and ends and not request.session.modified and not connection.in_atomic_block:
            self._keep(key, _Found(user, ends.timestamp(), generation, began_s))
        return user

    def _keep(self, key: str, found: _Found) -> None:
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)


def _end_of(key: str | None) -> datetime | None:
    ends = Session.objects.filter(session_key=key).values_list("expire_date", flat=True)
    return ends.first()


signed_in = SignedIn()
