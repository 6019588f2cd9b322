"""One cell, one dtype: the table of what fits, as what, and why the rest does not."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.errors import ROW_CODES
from registry.signature.arrow_cells import python_cells
from registry.signature.cells import CellRefused, read_scalar, received, scalar_json
from registry.signature.convert import typed
from registry.signature.dtypes import DTYPES
from registry.signature.types import Column

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

FITS: list[tuple[str, Any, Any]] = [
    ("boolean", True, True),
    ("int8", -128, -128),
    ("int64", 20, 20),
    ("int64", 20.0, 20),
    ("int64", -0.0, 0),
    ("int64", 1e17, 10**17),
    ("int64", Decimal("7.00"), 7),
    ("int64", 2**63 - 1, 2**63 - 1),
    ("uint64", 2**64 - 1, 2**64 - 1),
    ("float64", 20, 20.0),
    ("float64", 0.1, 0.1),
    ("float64", 2**53, 2.0**53),
    ("float64", 2**60, 2.0**60),  # a whole number beyond 2**53 that the float holds exactly
    ("float64", Decimal("0.1"), 0.1),
    ("float32", 0.1, float(np.float32(0.1))),
    ("float32", 2**24, 2.0**24),
    ("float32", 3.4028235e38, float(np.finfo(np.float32).max)),
    ("string", "", ""),
    ("string", "né\u0000", "né\u0000"),
    ("datetime", "2026-01-31T12:00:00Z", NOON),
    ("datetime", "2026-01-31t12:00:00z", NOON),
    ("datetime", "2026-01-31 14:00:00+02:00", NOON),
    ("datetime", "2026-01-31T12:00:00-00:00", NOON),
    ("datetime", "2026-01-31T12:00:00.250000000Z", NOON + timedelta(milliseconds=250)),
    ("datetime", NOON.astimezone(timezone(timedelta(hours=5))), NOON),
    ("date", "2026-01-31", date(2026, 1, 31)),
    ("date", date(2026, 1, 31), date(2026, 1, 31)),
]


@pytest.mark.parametrize(("key", "value", "read"), FITS)
def test_a_value_fits(key: str, value: Any, read: Any) -> None:
    found = read_scalar(value, DTYPES[key])

    assert found == read
    assert type(found) is type(read)


REFUSED: list[tuple[str, Any, str]] = [
    ("boolean", 1, "not-a-boolean"),
    ("boolean", "true", "not-a-boolean"),
    ("int64", 20.7, "not-an-integer"),
    ("int64", True, "not-an-integer"),
    ("int64", "20", "not-an-integer"),
    ("int64", Decimal("7.25"), "not-an-integer"),
    ("int64", math.inf, "not-finite"),
    ("int64", [1], "not-an-integer"),
    ("int64", {}, "not-an-integer"),
    ("int8", 128, "out-of-range"),
    ("int8", 128.0, "out-of-range"),
    ("uint8", -1, "out-of-range"),
    ("int64", 2**63, "out-of-range"),
    ("int64", 2.0**63, "out-of-range"),
    ("uint64", 2**64, "out-of-range"),
    ("float64", True, "not-a-number"),
    ("float64", "1.5", "not-a-number"),
    ("float64", math.inf, "not-finite"),
    ("float64", 2**53 + 1, "loses-precision"),
    ("float64", 10**400, "out-of-range"),
    ("float64", Decimal("0.12345678901234567890"), "loses-precision"),
    ("float32", 2**24 + 1, "loses-precision"),
    ("float32", 3.41e38, "out-of-range"),
    ("float32", -1e300, "out-of-range"),
    ("string", 5, "not-a-string"),
    ("string", True, "not-a-string"),
    ("string", b"a", "not-a-string"),
    ("string", "\ud800", "bad-encoding"),
    ("datetime", "2026-01-31T12:00:00", "no-offset"),
    ("datetime", datetime(2026, 1, 31), "no-offset"),
    ("datetime", "2026-01-31", "not-a-datetime"),
    ("datetime", "2026-01-31T12:00Z", "not-a-datetime"),
    ("datetime", "2026-02-30T12:00:00Z", "not-a-datetime"),
    ("datetime", "2026-01-31T24:00:00Z", "not-a-datetime"),
    ("datetime", "2026-01-31T23:59:60Z", "not-a-datetime"),
    ("datetime", "2026-01-31T12:00:00+25:00", "not-a-datetime"),
    ("datetime", "2026-01-31T12:00:00+0530", "not-a-datetime"),
    ("datetime", "2026-01-31T12:00:00Z\n", "not-a-datetime"),
    ("datetime", "٢٠٢٦-01-31T12:00:00Z", "not-a-datetime"),
    ("datetime", 1769860800, "not-a-datetime"),
    ("datetime", date(2026, 1, 31), "not-a-datetime"),
    ("datetime", "2026-01-31T12:00:00.0000001Z", "loses-precision"),
    ("datetime", "0001-01-01T00:00:00+05:00", "out-of-range"),
    ("date", "2026-1-31", "not-a-date"),
    ("date", "20260131", "not-a-date"),
    ("date", "2026-02-30", "not-a-date"),
    ("date", "2026-01-31T00:00:00Z", "not-a-date"),
    ("date", NOON, "not-a-date"),
]


@pytest.mark.parametrize(("key", "value", "code"), REFUSED)
def test_a_value_is_refused_with_its_code(key: str, value: Any, code: str) -> None:
    with pytest.raises(CellRefused) as raised:
        read_scalar(value, DTYPES[key])

    assert raised.value.code == code
    assert code in ROW_CODES
    # The fast way must not take it either, alone or beside a clean cell.
    assert typed([value], Column("c", key)) is None


@pytest.mark.parametrize(("key", "value", "read"), FITS)
def test_what_is_written_as_json_reads_back(key: str, value: Any, read: Any) -> None:
    del value
    written = scalar_json(read, DTYPES[key])

    assert read_scalar(written, DTYPES[key]) == read


def test_float32_is_written_in_its_short_form() -> None:
    assert scalar_json(float(np.float32(0.1)), DTYPES["float32"]) == 0.1


ARROW: list[tuple[pa.Array, str, str]] = [
    (pa.array([3.41e38]), "float32", "out-of-range"),
    (pa.array([2**24 + 1]), "float32", "loses-precision"),
    (pa.array([2**53 + 1]), "float64", "loses-precision"),
    (pa.array([math.inf]), "float64", "not-finite"),
    (pa.array([300]), "uint8", "out-of-range"),
    (pa.array([2.5]), "int64", "not-an-integer"),
    (pa.array([True]), "int64", "not-an-integer"),
    (pa.array([1]), "boolean", "not-a-boolean"),
    (pa.array([1], pa.timestamp("us")), "datetime", "no-offset"),
    (pa.array([1], pa.timestamp("ns", "UTC")), "datetime", "loses-precision"),
    (pa.array([2**60], pa.timestamp("s", "UTC")), "datetime", "out-of-range"),
    (pa.array([1], pa.timestamp("us", "UTC")), "date", "not-a-date"),
    (pa.array([1], pa.date64()), "date", "loses-precision"),
    (pa.array([4_000_000], pa.int32()).view(pa.date32()), "date", "out-of-range"),
    (pa.array([4_000_000], pa.int32()).view(pa.date32()), "datetime", "not-a-datetime"),
    (pa.array([b"a"]), "string", "not-a-string"),
    (pa.array([{"a": 1}]), "string", "not-a-string"),
    (pa.array([[1]]), "int64", "not-an-integer"),
    (pa.array([Decimal("7.25")]), "int64", "not-an-integer"),
]


@pytest.mark.parametrize(("array", "key", "code"), ARROW)
def test_an_arrow_cell_is_refused_with_its_code(array: pa.Array, key: str, code: str) -> None:
    assert typed(array, Column("c", key)) is None
    (cell,) = python_cells(array)

    with pytest.raises(CellRefused) as raised:
        read_scalar(cell, DTYPES[key])

    assert raised.value.code == code


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (20.7, "20.7"),
        (math.nan, "NaN"),
        ("x" * 50, "x" * 39 + "…"),
        (NOON, "2026-01-31T12:00:00+00:00"),
        ([[1.0] * 1000] * 1000, "[[1.0, 1.0, 1.0, 1.0, ...], [1.0, 1.0, …"),
    ],
)
def test_a_received_cell_is_shown_in_forty_characters(value: Any, text: str) -> None:
    assert received(value) == text
    assert len(text) <= 40
