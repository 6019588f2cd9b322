"""The signature of a delivery: HMAC-SHA256 over the time of sending, a dot, and the body."""

from __future__ import annotations

import hashlib
import hmac

SCHEME = "v1"


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """``v1=<hex>``, as it stands in ``X-Modelyard-Signature``. ``timestamp``: seconds since 1970.

    The time is signed too, so that a receiver can refuse what somebody sends again later.
    """
    signed = str(timestamp).encode() + b"." + body
    return f"{SCHEME}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
