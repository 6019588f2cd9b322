"""Plain: which due times are run and which are skipped, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# A tick comes every 15 seconds; what is later than this was missed, not merely late.
GRACE = timedelta(minutes=5)
# So many instants are settled in one go; a long silence takes several ticks.
MAX_PER_TICK = 500

MISSED = "missed: nothing ran at that time"
MADE_UP = "missed: one later run stands for it"


@dataclass(frozen=True, slots=True)
class Decision:
    """One due time; ``skip_reason`` is empty where it is to be run."""

    due: datetime
    skip_reason: str = ""


def decide(
    due: Sequence[datetime], now: datetime, *, run_once: bool, is_last_pass: bool
) -> list[Decision]:
    """What becomes of due times (ascending, none after ``now``).

    Those within five minutes are run. Of the missed ones none is run, or with ``run_once`` the
    last, unless a later one is run anyway. ``is_last_pass`` is False while more are to come.
    """
    on_time = [instant for instant in due if now - instant <= GRACE]
    missed = [instant for instant in due if now - instant > GRACE]
    makes_up = run_once and is_last_pass and not on_time and bool(missed)
    reason = MADE_UP if run_once else MISSED
    decisions = [Decision(instant, reason) for instant in missed]
    if makes_up:
        decisions[-1] = Decision(missed[-1])
    return decisions + [Decision(instant) for instant in on_time]
