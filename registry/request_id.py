"""Plain: a name for every request: the caller's where well formed; on every answer and log line."""

from __future__ import annotations

import contextvars
import os
import re

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_IN_BULK = 256
_made: list[str] = []

# What is done now, is done for this request; "-" outside of requests.
current: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


def accept_or_make(offered: str | None) -> str:
    """The offered id if it is well formed, otherwise a new one of 32 hexadecimal digits."""
    if offered and _WELL_FORMED.fullmatch(offered):
        return offered
    return _new()


def _new() -> str:
    """Random; made in bulk, because asking the system lets other threads in between."""
    while True:
        try:
            return _made.pop()
        except IndexError:
            digits = os.urandom(16 * _IN_BULK).hex()
            _made.extend(digits[at : at + 32] for at in range(0, len(digits), 32))


# A child would give away the same ones as its parent.
os.register_at_fork(after_in_child=_made.clear)
