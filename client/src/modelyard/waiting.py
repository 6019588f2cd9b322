"""Asking again until something has come to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from modelyard.clock import Clock
from modelyard.errors import WaitTimedOut

T = TypeVar("T")

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
GROWTH = 1.5


def wait_until(
    look: Callable[[], T],
    is_over: Callable[[T], bool],
    *,
    clock: Clock,
    timeout_s: float | None,
    subject: str,
) -> T:
    """What ``look`` sees when ``is_over`` says so, asked at growing intervals of at most 5 s.

    WaitTimedOut, naming ``subject``, when it is not over after ``timeout_s``; None waits for ever.
    """
    started, pause = clock.now(), FIRST_PAUSE_S
    while True:
        seen = look()
        if is_over(seen):
            return seen
        left = None if timeout_s is None else started + timeout_s - clock.now()
        if left is not None and left <= 0:
            raise WaitTimedOut(f"{subject} was not finished after {timeout_s:g} s; it goes on.")
        clock.sleep(pause if left is None else min(pause, left))
        pause = min(LONGEST_PAUSE_S, pause * GROWTH)
