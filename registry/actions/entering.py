"""Writes down who signed in and out, and whose sign-in was refused: one event for each."""

from __future__ import annotations

import hashlib
from typing import cast

import redis
from django.core.cache import cache
from django.db import transaction

from registry import audit
from registry.models import User
from registry.models.base import TimeOrdered
from registry.principals import Principal

PASSWORD, SINGLE_SIGN_ON = "password", "single sign-on"
# What was typed instead of a name may be a password: it stands nowhere.
NOBODY = "somebody who is not known"
# Tries of somebody who is locked out cost them nothing, and events stay for ever.
LOCKED_OUT_EVERY_S = 60


@transaction.atomic
def note_sign_in(*, by: Principal, way: str, address: str) -> None:
    """Somebody has signed in; ``way`` is PASSWORD or SINGLE_SIGN_ON."""
    after = {"way": way, "address": address}
    audit.record(by, "user.sign_in", cast(TimeOrdered, by.user), after=after)


@transaction.atomic
def note_sign_out(*, by: Principal, address: str) -> None:
    """Somebody has signed out."""
    after = {"address": address}
    audit.record(by, "user.sign_out", cast(TimeOrdered, by.user), after=after)


@transaction.atomic
def note_refusal(
    *, user: User | None, way: str, address: str, request_id: str, reason: str = ""
) -> None:
    """Somebody was not let in; ``user`` is who they wanted to be, None for nobody known."""
    _note_nobody_in("user.sign_in_refused", user, way, address, request_id, reason)


@transaction.atomic
def note_lock_out(*, username: str, address: str, request_id: str) -> None:
    """Somebody has tried too many passwords; once a minute for as long as they go on."""
    if _was_noted(username, address):
        return
    _note_nobody_in("user.lock_out", named(username), PASSWORD, address, request_id)


def _note_nobody_in(
    action: str, user: User | None, way: str, address: str, request_id: str, reason: str = ""
) -> None:
    """An event of nobody's: there is no principal as long as nobody is let in."""
    audit.record(
        None,
        action,
        NOBODY if user is None else cast(TimeOrdered, user),
        after={"way": way, "address": address},
        reason=reason,
        request_id=request_id,
    )


def named(username: str) -> User | None:
    """Who is called so."""
    return User.objects.filter(username=username).first()


def _was_noted(username: str, address: str) -> bool:
    digest = hashlib.sha256(f"{address} {username}".encode()).hexdigest()
    try:
        return not cache.add(f"locked-out:{digest}", True, LOCKED_OUT_EVERY_S)
    except redis.RedisError:
        return False
