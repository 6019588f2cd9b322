"""One Python, numpy or pandas value -> what JSON has for it. The types are those of the contract:
times are RFC 3339 with an offset, missing values are null."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from modelyard.errors import UsageError

NAIVE = (
    "times without an offset from UTC, which could mean different moments. Say the zone, as in "
    "tz_localize('Europe/Rome'), or make them dates"
)


def json_cell(value: Any) -> Any:
    """``value`` as JSON has it: numpy scalars unboxed, NaN, NaT and NA null, lists cell by cell.

    UsageError for a time without offset, an infinity, and what JSON has no form for.
    """
    if value is None or isinstance(value, str | bool | int):
        return _plain(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, dt.datetime):
        return _moment(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_cell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_cell(item) for item in value]
    return _foreign(value)


def _plain(value: str | bool | int | None) -> str | bool | int | None:
    # np.str_ is a str and np.bool_ is none; an IntEnum is an int. JSON wants the bare ones.
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    return None


def _finite(value: float) -> float | None:
    if math.isinf(value):
        raise UsageError("Infinity is no number here; leave it out or make it missing.")
    return None if math.isnan(value) else value


def _moment(value: dt.datetime) -> str | None:
    if type(value).__name__ == "NaTType":  # it calls itself a datetime
        return None
    if value.utcoffset() is None:
        raise UsageError(f"{value.isoformat()} is one of the {NAIVE}.")
    return value.isoformat()


def _foreign(value: Any) -> Any:
    """numpy's scalars and arrays, and the missing values of pandas, told by what they can do."""
    kind = type(value)
    if kind.__name__ == "NAType":
        return None
    if kind.__module__ == "numpy":
        if kind.__name__ in ("datetime64", "timedelta64"):
            return _numpy_moment(value)
        if hasattr(value, "tolist"):
            return json_cell(value.tolist())
    raise UsageError(f"A value of type {kind.__module__}.{kind.__qualname__} has no form in JSON.")


def _numpy_moment(value: Any) -> Any:
    if str(value) == "NaT":
        return None
    item = value.item()
    if isinstance(item, dt.date):
        return json_cell(item)  # a plain date passes, a time has no offset and is refused
    raise UsageError(f"{value!r} is one of the {NAIVE}.")


def label_text(label: Any) -> str:
    """A class label as the key of a JSON object: as JSON prints it, a text as it is."""
    cell = json_cell(label)
    if cell is None or isinstance(cell, bool):
        return {None: "null", True: "true", False: "false"}[cell]
    return cell if isinstance(cell, str) else repr(cell)
