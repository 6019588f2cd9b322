"""When to try again, and how long to wait before. Plain arithmetic, no clock and no network.

- A connection that broke, or a gateway's 502, 503 or 504: the request may or may not have been
  done. Tried again only where doing it twice is doing it once (``repeatable``), after a growing,
  partly random pause.
- 429 and 503 with ``Retry-After`` (RFC 9110, 10.2.3): not done; tried again after that time, and
  given up at once when the service asks for more patience than ``longest_wait_s``.
- 409 ``idempotency-in-progress``: the broken first attempt still runs over there. Waited for with
  more patience, as a large upload takes a while to be put away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts`` counts the first one; pauses double from ``base_s`` up to ``cap_s``."""

    attempts: int = 5
    attempts_in_progress: int = 10
    base_s: float = 0.5
    cap_s: float = 15.0
    longest_wait_s: float = 90.0

    def pause_after_break(self, attempt: int, *, repeatable: bool, chance: float) -> float | None:
        """Seconds until the next attempt, or None to give up. ``attempt`` counts from 1."""
        if not repeatable or attempt >= self.attempts:
            return None
        return self._growing(attempt, chance)

    def pause_after_answer(
        self,
        attempt: int,
        *,
        status: int,
        code: str | None,
        retry_after_s: float | None,
        repeatable: bool,
        chance: float,
    ) -> float | None:
        """Seconds until the next attempt, or None where the answer stands."""
        if code == "idempotency-in-progress":
            return self._growing(attempt, chance) if attempt < self.attempts_in_progress else None
        if attempt >= self.attempts:
            return None
        if status in (429, 503) and retry_after_s is not None:
            if retry_after_s > self.longest_wait_s:
                return None
            return retry_after_s + chance * self.base_s
        if status in (502, 503, 504) and code is None:  # a gateway's: ours have a code
            return self.pause_after_break(attempt, repeatable=repeatable, chance=chance)
        return None

    def _growing(self, attempt: int, chance: float) -> float:
        return min(self.cap_s, self.base_s * 2.0 ** (attempt - 1)) * (0.5 + chance / 2)


def retry_after_s(headers: Mapping[str, str], *, wall: float) -> float | None:
    """``Retry-After`` in seconds from now, be it a number or a date; None without a good one."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall)
    except (TypeError, ValueError, OverflowError):
        return None
