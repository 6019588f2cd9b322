"""Which due times are run and which are skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from serving.schedules.due import MADE_UP, MISSED, Decision, decide

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATE, LATER, EARLIER = (NOW - timedelta(minutes=m) for m in (1, 60, 120))


@pytest.mark.parametrize(
    ("due", "run_once", "is_last_pass", "decisions"),
    [
        ([], False, True, []),
        ([LATE], False, True, [Decision(LATE)]),
        ([LATER], False, True, [Decision(LATER, MISSED)]),
        ([LATER], True, True, [Decision(LATER)]),
        ([EARLIER, LATER], True, True, [Decision(EARLIER, MADE_UP), Decision(LATER)]),
        ([EARLIER, LATER], True, False, [Decision(EARLIER, MADE_UP), Decision(LATER, MADE_UP)]),
        ([LATER, LATE], True, True, [Decision(LATER, MADE_UP), Decision(LATE)]),
        ([LATER, LATE], False, True, [Decision(LATER, MISSED), Decision(LATE)]),
    ],
)
def test_missed_runs_follow_the_policy(
    due: list[datetime], run_once: bool, is_last_pass: bool, decisions: list[Decision]
) -> None:
    assert decide(due, NOW, run_once=run_once, is_last_pass=is_last_pass) == decisions
