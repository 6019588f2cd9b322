"""Plain: the cells of an Arrow array as Python values, for reading them one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from registry.signature.cells import Unreadable
from registry.signature.convert import plain

_US_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY_MS = 86_400_000
_FIRST_ORDINAL = date(1970, 1, 1).toordinal()


def python_cells(array: pa.Array) -> list[Any]:
    """One Python value per cell, None for null.

    A time that Python cannot hold, and a value of a type that no column has (binary, struct, map),
    comes as ``Unreadable``. Nothing here needs pandas.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_timestamp(kind):
        read = _naive(kind.unit) if kind.tz is None else _aware(kind.unit)
        return _mapped(array.cast(pa.int64()), read)
    if pa.types.is_date32(kind):
        return _mapped(array.cast(pa.int32()), _day)
    if pa.types.is_date64(kind):
        return _mapped(array.cast(pa.int64()), _day_of_ms)
    if _is_known(kind):
        return list(array.to_pylist())
    alien = Unreadable("", "", f"a value of Arrow type {kind}")
    return [alien if valid else None for valid in array.is_valid().to_pylist()]


def _is_known(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = kind.value_type
        # A tensor of times is rare; those beyond Python's range are refused like other types.
        return _is_known(inner) and not types.is_temporal(inner)
    return bool(
        types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_string(kind)
    )


def _mapped(counts: pa.Array, read: Callable[[int], Any]) -> list[Any]:
    return [None if count is None else read(count) for count in counts.to_pylist()]


def _moment(count: int, unit: str, epoch: datetime) -> tuple[datetime | None, bool]:
    """The time, None when Python cannot hold it; and whether it is exact to the microsecond."""
    if unit == "ns":
        micros, rest = divmod(count, 1_000)
    else:
        micros, rest = count * _US_PER_UNIT[unit], 0
    try:
        return epoch + timedelta(microseconds=micros), not rest
    except OverflowError:
        return None, True


def _aware(unit: str) -> Callable[[int], Any]:
    def read(count: int) -> Any:
        moment, exact = _moment(count, unit, datetime(1970, 1, 1, tzinfo=UTC))
        if moment is None:
            return Unreadable("out-of-range", "datetime", f"{count} {unit} from 1970")
        return moment if exact else Unreadable("loses-precision", "datetime", f"{count} ns")

    return read


def _naive(unit: str) -> Callable[[int], Any]:
    def read(count: int) -> Any:
        moment, _ = _moment(count, unit, datetime(1970, 1, 1))
        return moment or Unreadable("no-offset", "datetime", f"{count} {unit} from 1970")

    return read


def _day(count: int) -> Any:
    try:
        return date.fromordinal(count + _FIRST_ORDINAL)
    except (ValueError, OverflowError):
        return Unreadable("out-of-range", "date", f"{count} days from 1970")


def _day_of_ms(count: int) -> Any:
    days, rest = divmod(count, _DAY_MS)
    return Unreadable("loses-precision", "date", f"{count} ms from 1970") if rest else _day(days)
