"""Plain: ids that sort by the time of their making (UUID version 7, RFC 9562 section 5.7)."""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """A new UUIDv7: 48 bits of milliseconds since 1970, then a counter and random bits.

    Within one process each id is greater than the one before it: the 12 bits after the version
    and the 62 after the variant count on when the clock stands still or steps back (RFC 9562,
    section 6.2, method 2).
    """
    global _last
    fresh = (time.time_ns() // 1_000_000) << 74 | int.from_bytes(os.urandom(10)) >> 6
    with _lock:
        if fresh <= _last:
            fresh = _last + 1 + int.from_bytes(os.urandom(4))
        _last = value = fresh
    millis, rest = value >> 74, value & ((1 << 74) - 1)
    rand_a, rand_b = rest >> 62, rest & ((1 << 62) - 1)
    return uuid.UUID(int=millis << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
