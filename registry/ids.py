"""Plain: identifiers: UUIDv7 (RFC 9562, section 5.7), ascending within a process.

The layout is the RFC's method 1: 48 bits of milliseconds, then a counter of 42 bits (12 in
``rand_a``, 30 in ``rand_b``) that starts at random in every millisecond, then 32 random bits.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_COUNTER_BITS = 42
_COUNTER_END = 1 << _COUNTER_BITS
_lock = threading.Lock()
_last_ms = -1
_counter = 0


def uuid7() -> UUID:
    """A new identifier, greater than every one that this process made before.

    When the clock goes back, the last millisecond is used on. Thread-safe; a forked child starts
    with a counter of its own.
    """
    global _last_ms, _counter
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _counter = now_ms, _fresh_counter()
        else:
            _counter += 1
            if _counter == _COUNTER_END:
                _last_ms, _counter = _last_ms + 1, _fresh_counter()
        moment, counter = _last_ms, _counter
    return _assembled(moment, counter, int.from_bytes(os.urandom(4), "big"))


def _fresh_counter() -> int:
    # The highest bit stays clear, so that a busy millisecond has room to count.
    return int.from_bytes(os.urandom(6), "big") & (_COUNTER_END // 2 - 1)


def _assembled(moment_ms: int, counter: int, tail: int) -> UUID:
    number = (moment_ms & 0xFFFF_FFFF_FFFF) << 80
    number |= 0x7 << 76
    number |= (counter >> 30) << 64
    number |= 0b10 << 62
    number |= (counter & 0x3FFF_FFFF) << 32
    return UUID(int=number | tail)


def _after_fork() -> None:
    global _last_ms, _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    _last_ms = -1


os.register_at_fork(after_in_child=_after_fork)
