"""Plain: one cell: a Python value to a dtype without loss, or the code that says why not.

This is the definition of what fits. ``convert.py`` does the same for whole columns at once and
takes only what is taken here. Times follow RFC 3339, section 5.6.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np

from registry.errors import received_text
from registry.signature.dtypes import DType

FLOAT32_MAX = float(np.finfo(np.float32).max)
DATE_PATTERN = r"\d{4}-\d{2}-\d{2}"
TIME_PATTERN = r"\d{2}:\d{2}:\d{2}"
OFFSET_PATTERN = r"(?:[Zz]|[+-]\d{2}:\d{2})"
_DATE = re.compile(DATE_PATTERN, re.ASCII)
_DATETIME = re.compile(
    rf"({DATE_PATTERN})[Tt ]({TIME_PATTERN})(?:\.(\d+))?({OFFSET_PATTERN})?", re.ASCII
)
_SHORT = reprlib.Repr()  # bounds the work, however large the nested cell is
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxtuple = 4


class CellRefused(Exception):
    """A cell does not fit; ``code`` is one of ``ROW_CODES``."""

    def __init__(self, code: str, expected: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.expected = expected


class Unreadable:
    """Stands for a source value that no Python value of its type can hold.

    ``code`` is what to say where a value of ``kind`` was expected; elsewhere it is just of
    another type.
    """

    __slots__ = ("code", "kind", "text")

    def __init__(self, code: str, kind: str, text: str) -> None:
        self.code = code
        self.kind = kind
        self.text = text

    def __str__(self) -> str:
        return self.text


def read_scalar(value: Any, dtype: DType) -> Any:
    """``value`` as a plain Python value of the dtype. Never called with None.

    Integers come back as int, floats as float (float32 rounded to its nearest), times as aware
    UTC datetimes. Raises CellRefused.
    """
    return _READERS[dtype.kind](value, dtype)


def scalar_json(value: Any, dtype: DType) -> Any:
    """A plain value of the dtype as JSON: times as RFC 3339 in UTC, float32 in its short form."""
    if dtype.kind == "datetime":
        return str(value.isoformat()).replace("+00:00", "Z")
    if dtype.kind == "date":
        return value.isoformat()
    return float(str(np.float32(value))) if dtype.key == "float32" else value


def is_null(value: Any) -> bool:
    """None, and NaN: a table format has no other way to say that a number is missing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def received(value: Any) -> str:
    """At most 40 characters of the cell as the sender would recognise it."""
    if isinstance(value, list | dict | tuple):
        return received_text(_SHORT.repr(value))
    if isinstance(value, datetime):
        return received_text(value.isoformat())
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return received_text(value)


def _boolean(value: Any, dtype: DType) -> bool:
    del dtype
    if not isinstance(value, bool):
        raise CellRefused("not-a-boolean")
    return value


def _integer(value: Any, dtype: DType) -> int:
    whole = _whole(value)
    low, high = dtype.bounds or (0, 0)
    if not low <= whole <= high:
        raise CellRefused("out-of-range", f"{low} to {high}")
    return whole


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isinf(value):
        raise CellRefused("not-finite")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    raise CellRefused("not-an-integer")


def _float(value: Any, dtype: DType) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise CellRefused("not-a-number")
    if isinstance(value, float):
        if math.isinf(value):
            raise CellRefused("not-finite")
        return _as_width(value, dtype)
    if isinstance(value, int):
        return _exact(value, dtype)
    return _from_decimal(value, dtype)


def _as_width(value: float, dtype: DType) -> float:
    # A float32 column means the nearest float32 of the number that was sent; only the range counts.
    if dtype.key == "float64":
        return value
    with np.errstate(over="ignore"):
        rounded = float(np.float32(value))
    if math.isinf(rounded):
        raise CellRefused("out-of-range", f"at most {FLOAT32_MAX:g} in size")
    return rounded


def _exact(value: int, dtype: DType) -> float:
    try:
        number = _as_width(float(value), dtype)
    except OverflowError:
        raise CellRefused("out-of-range") from None
    if int(number) != value:
        raise CellRefused("loses-precision")
    return number


def _from_decimal(value: Decimal, dtype: DType) -> float:
    """Lossless when the float prints as the same decimal number, as 0.1 does."""
    if not value.is_finite():
        raise CellRefused("not-finite")
    number = float(value)
    if math.isinf(number):
        raise CellRefused("out-of-range")
    if Decimal(repr(number)) != value:
        raise CellRefused("loses-precision")
    return _as_width(number, dtype)


def _string(value: Any, dtype: DType) -> str:
    if isinstance(value, Unreadable) and value.kind == dtype.kind:
        raise CellRefused(value.code)
    if not isinstance(value, str):
        raise CellRefused("not-a-string")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CellRefused("bad-encoding") from None
    return value


def _date(value: Any, dtype: DType) -> date:
    if isinstance(value, Unreadable) and value.kind == dtype.kind:
        raise CellRefused(value.code)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise CellRefused("not-a-date", "a date such as 2026-01-31")


def _datetime(value: Any, dtype: DType) -> datetime:
    if isinstance(value, Unreadable) and value.kind == dtype.kind:
        raise CellRefused(value.code)
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, datetime):
        raise CellRefused("not-a-datetime", "a time such as 2026-01-31T12:00:00Z")
    if value.tzinfo is None:
        raise CellRefused("no-offset", "a time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise CellRefused("out-of-range", "the years 1 to 9999 in UTC") from None


def _parsed(text: str) -> datetime | None:
    """An RFC 3339 time, naive when it has no offset, None when it is none.

    A leap second (:60) is refused: neither Python nor Arrow can hold it.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    digits = (fraction or "").rstrip("0")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}")
        moment = moment.replace(microsecond=int(digits[:6].ljust(6, "0")), tzinfo=_zone(offset))
    except ValueError:
        return None
    if len(digits) > 6:
        raise CellRefused("loses-precision", "at most microseconds")
    return moment


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    away = timedelta(hours=hours, minutes=minutes)
    return timezone(-away if offset[0] == "-" else away)


_READERS: dict[str, Callable[[Any, DType], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "string": _string,
    "datetime": _datetime,
    "date": _date,
}
