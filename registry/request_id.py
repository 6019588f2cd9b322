"""Plain: a name for every request: the caller's where well formed; on every answer and log line."""

from __future__ import annotations

import contextvars
import os
import re

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.-]{1,128}")

# What is done now, is done for this request; "-" outside of requests.
current: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


def accept_or_make(offered: str | None) -> str:
    """The offered id if it is well formed, otherwise a new one of 32 hexadecimal digits."""
    if offered and _WELL_FORMED.fullmatch(offered):
        return offered
    return os.urandom(16).hex()
