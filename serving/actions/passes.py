"""Passes: who may score with what, remembered for as long as nothing that governs has changed.

What ``find_key`` and ``resolve`` have said is kept in this process, as long as the moment of its
reading is recent (``registry.changes``); what they refuse is not.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection

from registry import changes
from registry.actions.access import find_key, is_text_of, require_live
from registry.errors import NotAuthenticated
from registry.models import ApiKey, User
from registry.principals import Principal
from serving.actions.key_uses import note_use_later
from serving.actions.targets import Resolution, resolve, resolve_version

KEPT = 4096

Slot = tuple[str, str, int | None]


class Pass(NamedTuple):
    """Somebody, and what a ref calls for them."""

    principal: Principal
    resolution: Resolution
    read: changes.Moment


class Passes:
    """The passes of this process; those read longest ago are forgotten first."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[Slot, Pass] = OrderedDict()
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight] = {}

    def known(self, key_text: str, ref: str, number: int | None = None) -> Pass | None:
        """The pass of a well-formed key for a ref, or a version by number; None if not at hand.

        Asks nobody. Raises KeyExpired for a key whose time has come.
        """
        found = self._fresh(_slot_of_key(key_text, ref, number))
        key = None if found is None else found.principal.api_key
        if key is None or not is_text_of(key, key_text):
            return None
        require_live(key)
        return found

    def of_user(self, user: User, ref: str, number: int | None = None) -> Pass | None:
        """The pass of somebody without a key; None if not at hand. Asks nobody."""
        return self._fresh(_slot(Principal(user).id, ref, number))

    def find(self, key_text: str, ref: str, number: int | None = None) -> Pass:
        """The same, read from the database where needed. Raises what is raised there."""
        known = self.known(key_text, ref, number)
        return known or self._fill(
            _slot_of_key(key_text, ref, number),
            lambda: _read(lambda: _holder(key_text), ref, number),
            # Somebody who guesses at a key's secret keeps its owner from nothing.
            flight=(hashlib.sha256(key_text.encode()).digest(), ref, number),
            known=lambda: self.known(key_text, ref, number),
        )

    def resolve(self, by: Principal, ref: str, number: int | None = None) -> Resolution:
        """What a ref, or a version by number, calls for somebody who was let in already."""
        slot = _slot(by.id, ref, number)
        found = self._fresh(slot) or self._fill(
            slot,
            lambda: _read(lambda: _reread(by), ref, number),
            flight=slot,
            known=lambda: self._fresh(slot),
        )
        return found.resolution

    def _fresh(self, slot: Slot) -> Pass | None:
        found = self._kept.get(slot)
        return found if found is not None and found.read.is_recent() else None

    def _fill(
        self,
        slot: Slot,
        read: Callable[[], Pass],
        *,
        flight: Hashable,
        known: Callable[[], Pass | None],
    ) -> Pass:
        """Read it: one thread at a time for the same thing, the others then find it."""
        with self._alone(flight):
            found = known()
            if found is not None:
                return found
            made = read()
            # What a transaction sees may never be committed.
            if not connection.in_atomic_block:
                self._keep(slot, made)
            return made

    def _keep(self, slot: Slot, made: Pass) -> None:
        with self._lock:
            self._kept[slot] = made
            self._kept.move_to_end(slot)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)

    @contextmanager
    def _alone(self, what: Hashable) -> Iterator[None]:
        with self._lock:
            flight = self._flights.setdefault(what, _Flight())
            flight.waiting += 1
        try:
            with flight.lock:
                yield
        finally:
            with self._lock:
                flight.waiting -= 1
                if not flight.waiting:
                    del self._flights[what]


class _Flight:
    """One thing that is being read, and how many threads want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting = 0


def _slot(who: str, ref: str, number: int | None) -> Slot:
    """Names of models are the same however they are spelled."""
    return (who, ref.lower(), number)


def _slot_of_key(text: str, ref: str, number: int | None) -> Slot:
    """As ``Principal.id`` names the key: the id stands in its text."""
    return _slot(f"key:{text[3:11]}", ref, number)


def _read(read: Callable[[], Principal], ref: str, number: int | None) -> Pass:
    moment = changes.now()
    by = read()
    if number is None:
        return Pass(by, resolve(by, ref), moment)
    return Pass(by, resolve_version(by, ref, number), moment)


def _holder(key_text: str) -> Principal:
    key = find_key(key_text)
    note_use_later(key)
    return Principal(key.user, key)


def _reread(by: Principal) -> Principal:
    """The same somebody as of now: they were let in before the generation was noted."""
    try:
        if by.api_key is None:
            return Principal(User.objects.get(pk=by.user.pk))
        key = ApiKey.objects.select_related("user").get(pk=by.api_key.pk)
    except ObjectDoesNotExist:
        raise NotAuthenticated("The user or the key is gone.") from None
    require_live(key)
    return Principal(key.user, key)


passes = Passes()
