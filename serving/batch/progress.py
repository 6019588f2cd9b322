"""Plain: how far a job has come."""

from __future__ import annotations


def fraction_done(rows_total: int | None, rows_done: int, *, has_ended_well: bool) -> float:
    """Between 0 and 1, by rows; 0 while the number of rows is not known."""
    if has_ended_well:
        return 1.0
    if not rows_total:
        return 0.0
    return round(rows_done / rows_total, 4)


def seconds_left(
    rows_total: int | None, rows_done: int, elapsed_s: float, *, rows_before: int = 0
) -> int | None:
    """Seconds that the rest takes at the pace so far; None before anything is done.

    ``rows_before`` were done already when the time began to count: those of an earlier run.
    """
    rows_now = rows_done - rows_before
    if not rows_total or rows_now <= 0 or elapsed_s <= 0:
        return None
    return round(elapsed_s * (rows_total - rows_done) / rows_now)
