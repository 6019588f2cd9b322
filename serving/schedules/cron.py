"""Plain: five-field cron in a zone. Follows Debian's cron(8), as cronsim 2.x simulates it.

On a day when clocks change, a time that is written out (neither minute nor hour begins with
``*``) runs exactly once: one that does not exist runs right after the gap, one that exists twice
runs the first time. An expression with a wildcard there follows the clock as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from registry.errors import InvalidField
from registry.signature.names import nearest

WRITTEN_OUT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
FIELDS = ("minute", "hour", "day of month", "month", "day of week")
CRON_MAX_CHARS = 200
NEXT_RUNS = 5
# Longer than clocks are ever put back.
_ANY_CHANGE = timedelta(hours=3)
# Any date of the calendar; the search runs over 50 years and leap days come back every 8 at most.
_PROBE = datetime(2024, 1, 1, tzinfo=UTC)


def check_cron(text: object) -> str:
    """The expression in five fields, spaces made single. Raises InvalidField naming ``cron``.

    Names and ``L`` are taken, ``@hourly @daily @weekly @monthly`` are written out. Six fields,
    other words with ``@`` and dates that never come are refused.
    """
    if not isinstance(text, str) or len(text) > CRON_MAX_CHARS:
        raise _refused("A text of five fields was expected.")
    words = text.split()
    if len(words) == 1 and words[0].startswith("@"):
        return _written_out(words[0])
    if len(words) != len(FIELDS):
        raise _refused(
            f"Five fields were expected ({', '.join(FIELDS)}), {len(words)} came: “{text.strip()}”."
        )
    expression = " ".join(words)
    try:
        next(CronSim(expression, _PROBE))
    except StopIteration:
        raise _refused(f"“{expression}” never comes.") from None
    except CronSimError as error:
        raise _refused(_reason(expression, str(error))) from None
    except (AssertionError, ValueError, IndexError):
        raise _refused(f"“{expression}” cannot be read.") from None
    return expression


def check_zone(name: object) -> str:
    """A zone of the tz database. Raises InvalidField naming ``timezone``."""
    if isinstance(name, str) and name in _zones():
        return name
    hint = f" The nearest is “{nearest(str(name), sorted(_zones()))}”." if _is_short(name) else ""
    raise InvalidField(
        f"Not a zone of the tz database, such as Europe/Rome or UTC.{hint}", pointer="/timezone"
    )


def due_after(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The instants at which the expression is due strictly after ``after``, ascending, in its zone.

    ``cron`` and ``zone`` have been checked; ``after`` is aware. Ends where no instant follows
    within 50 years.
    """
    last = after.astimezone(UTC)
    for due in CronSim(cron, _start(after, ZoneInfo(zone))):
        if due.astimezone(UTC) > last:
            last = due.astimezone(UTC)
            yield due


def next_runs(cron: str, zone: str, after: datetime, count: int = NEXT_RUNS) -> list[datetime]:
    """The next instants after ``after``, each with the offset of its zone."""
    return [due for due, _ in zip(due_after(cron, zone, after), range(count), strict=False)]


def first_due(cron: str, zone: str, after: datetime) -> datetime | None:
    """The first instant after ``after`` in UTC; None where none follows."""
    for due in due_after(cron, zone, after):
        return due.astimezone(UTC)
    return None


def _start(after: datetime, zone: ZoneInfo) -> datetime:
    """Where the walk begins: where clocks have just changed, from before the change.

    cronsim walks in local time, which says nothing about the order in a repeated hour.
    """
    here, before = after.astimezone(zone), (after - _ANY_CHANGE).astimezone(zone)
    return before if before.utcoffset() != here.utcoffset() else here


def _written_out(word: str) -> str:
    if word.lower() in WRITTEN_OUT:
        return WRITTEN_OUT[word.lower()]
    raise _refused(f"“{word}” is not taken; these are: {', '.join(WRITTEN_OUT)}.")


def _reason(expression: str, message: str) -> str:
    if message == "Bad day-of-month" and "," not in expression.split()[2]:
        return f"“{expression}”: the day of month cannot be read, or never comes in these months."
    part = message.removeprefix("Bad ").replace("-", " ")
    return f"“{expression}”: the {part} cannot be read."


def _refused(detail: str) -> InvalidField:
    return InvalidField(detail, pointer="/cron")


def _is_short(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 64


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
