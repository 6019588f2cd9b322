"""The fast way (whole columns) and the slow way (cell by cell) give one verdict and one value."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.signature.arrow_cells import python_cells
from registry.signature.cells import CellRefused, is_null
from registry.signature.convert import suspects, typed
from registry.signature.dtypes import DTYPES
from registry.signature.judge import MISSING, read_cell
from registry.signature.types import Column

EDGES = [
    *(
        sign * 2**bits + off
        for bits in (7, 8, 15, 16, 24, 31, 32, 53, 63, 64)
        for off in (-1, 0, 1)
        for sign in (1, -1)
    ),
    0,
]
integers = st.sampled_from(EDGES) | st.integers(-300, 300) | st.integers()
floats = (
    st.floats(allow_nan=False)
    | st.sampled_from([0.0, -0.0, 20.0, 20.7, 3.4028235e38, 3.41e38, 2.0**63, -(2.0**63), 2.0**64])
    | st.integers(-300, 300).map(float)
)
TIMES = [
    "2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31 12:00:00.123456+05:30",
    "2026-01-31T12:00:00", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z",
    "2026-01-31T23:59:60Z", "2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00.1234560Z",
    "0001-01-01T00:00:00+05:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00",
    "2026-01-31T12:00Z", "2026-01-31T12:00:00+25:00", "2026-01-31T12:00:00+0530", "20260131",
    "2026-02-30", "0000-01-01", "2026-1-31", "9999-12-31", "2026-01-31T12:00:00.Z", "٢٠٢٦-01-31",
    "2026-01-31T12:00:00Z\n",
]  # fmt: skip
texts = st.sampled_from([*TIMES, "", "a", "b", "é", "20", "true", "\ud800"]) | st.text(max_size=3)
cells = st.one_of(st.none(), st.booleans(), integers, floats, texts, st.just([1.0]), st.just({}))
LISTS = st.one_of(
    st.lists(st.none() | st.booleans(), max_size=6),
    st.lists(st.none() | integers, max_size=6),
    st.lists(st.none() | floats, max_size=6),
    st.lists(st.none() | floats | integers | st.just(MISSING), max_size=6),
    st.lists(st.none() | texts, max_size=6),
    st.lists(cells, max_size=6),
)


def agree(given_cells: Any, column: Column) -> None:
    """What the fast way takes without doubt, the slow way takes too, as the same values."""
    array = typed(given_cells, column)
    if array is None:
        return
    assert array.type == column.arrow
    array.validate(full=True)
    slow_cells = python_cells(given_cells) if isinstance(given_cells, pa.Array) else given_cells
    doubtful = set(suspects(array, column).tolist())
    expected = []
    for index, cell in enumerate(slow_cells):
        try:
            expected.append(read_cell(cell, column))
        except CellRefused:
            assert index in doubtful, f"cell {cell!r} was let through"
            expected.append(None)
    keep = [index for index in range(len(array)) if index not in doubtful]
    fast = [array.to_pylist()[index] for index in keep]
    assert pa.array(fast, column.arrow) == pa.array([expected[i] for i in keep], column.arrow)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    dtype = DTYPES[draw(st.sampled_from(sorted(DTYPES)))]
    low = high = enum = None
    if dtype.is_number and draw(st.booleans()):
        low, high = dtype.numpy.type(3).item(), dtype.numpy.type(40).item()
    if dtype.key == "string" and draw(st.booleans()):
        enum = ("a", "b", "")
    return Column("c", dtype.key, draw(st.booleans()), enum, low, high)


@settings(max_examples=500, deadline=None)
@given(LISTS, columns())
def test_lists_of_json_values_are_judged_alike_by_both_ways(
    given_cells: list[Any], column: Column
) -> None:
    agree(given_cells, column)


def clean(dtype_key: str) -> st.SearchStrategy[Any]:
    dtype = DTYPES[dtype_key]
    if dtype.bounds:
        return st.integers(*dtype.bounds)
    return {
        "boolean": st.booleans(),
        "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "string": st.text(st.characters(codec="utf-8"), max_size=4),
        "datetime": st.datetimes(timezones=st.just(UTC)).map(
            lambda moment: moment.isoformat().replace("+00:00", "Z")
        ),
        "date": st.dates().map(date.isoformat),
    }[dtype.kind]


@pytest.mark.parametrize("key", sorted(DTYPES))
def test_a_clean_column_takes_the_fast_way(key: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.none() | clean(key), min_size=1, max_size=8))
    def check(values: list[Any]) -> None:
        column = Column("c", key, nullable=True)
        array = typed(values, column)
        assert array is not None
        assert not len(suspects(array, column))
        agree(values, column)

    check()


ARROW_TYPES = [
    pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(),
    pa.string(), pa.large_string(), pa.string_view(), pa.date32(), pa.date64(),
    pa.timestamp("s", "UTC"), pa.timestamp("ms"), pa.timestamp("us", "Europe/Rome"),
    pa.timestamp("ns", "UTC"), pa.decimal128(10, 2), pa.binary(), pa.time32("s"), pa.null(),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int8(), pa.int64()),
]  # fmt: skip


def arrow_values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    types = pa.types
    if types.is_dictionary(kind):
        return arrow_values(kind.value_type)
    if types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        edges = [edge for edge in EDGES if info.min <= edge <= info.max]
        return st.sampled_from(edges) | st.integers(int(info.min), int(info.max))
    if types.is_floating(kind):
        return floats.map(lambda v: float(kind.to_pandas_dtype()(v))) | st.just(math.nan)
    if types.is_timestamp(kind):
        return st.integers(-(2**62), 2**62) | st.integers(0, 10**13).map(lambda v: v * 1000)
    if types.is_date32(kind):
        return st.integers(-800_000, 3_000_000)
    if types.is_date64(kind):
        return st.integers(-(10**6), 10**6).map(lambda v: v * 86_400_000) | st.just(1)
    if types.is_decimal(kind):
        return st.sampled_from([Decimal("1.00"), Decimal("0.10"), Decimal("-7.25")])
    if types.is_binary(kind):
        return st.binary(max_size=2)
    if types.is_boolean(kind):
        return st.booleans()
    if types.is_null(kind):
        return st.none()
    if types.is_time(kind):
        return st.integers(0, 86_399)
    return texts.filter(lambda text: "\ud800" not in text)


def built(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        return pa.array(values, pa.int64()).view(kind)
    if pa.types.is_date32(kind) or pa.types.is_time(kind):
        return pa.array(values, pa.int32()).view(kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_float16(kind):
        return pa.array([None if v is None else np.float16(v) for v in values], kind)
    return pa.array(values, kind)


@pytest.mark.parametrize("kind", ARROW_TYPES, ids=str)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_arrow_arrays_are_judged_alike_by_both_ways(kind: pa.DataType) -> None:
    @settings(max_examples=70, deadline=None)
    @given(st.data(), columns())
    def check(source: st.DataObject, column: Column) -> None:
        values = source.draw(st.lists(st.none() | arrow_values(kind), max_size=5))
        array = built(values, kind)
        agree(array, column)
        agree(pa.concat_arrays([array, array]).slice(len(array)), column)

    check()


TENSOR_COLUMNS = [
    Column("t", "float64", True, shape=(2,)),
    Column("t", "float32", False, shape=(2, 2)),
    Column("t", "int8", False, min=0, max=5, shape=(-1,)),
    Column("t", "float64", True, shape=(-1, -1)),
    Column("t", "string", False, shape=(1,)),
]
elements = st.none() | st.booleans() | st.integers(-1, 200) | st.floats(-3, 3) | st.just("a")
vectors = st.lists(st.integers(0, 5), min_size=2, max_size=2) | st.lists(elements, max_size=3)
tensors = st.none() | vectors | st.lists(vectors, min_size=2, max_size=2) | st.just(1.5)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(tensors, max_size=3)
    | st.lists(vectors, max_size=3)
    | st.lists(st.lists(vectors, min_size=2, max_size=2), max_size=3),
    st.sampled_from(TENSOR_COLUMNS),
)
def test_tensor_cells_are_judged_alike_by_both_ways(given_cells: list[Any], column: Column) -> None:
    agree(given_cells, column)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.none() | st.lists(st.floats(-3, 3) | st.just(math.nan), max_size=3), max_size=4),
    st.sampled_from(TENSOR_COLUMNS),
    st.sampled_from(["list", "large", "fixed"]),
)
def test_arrow_lists_are_judged_alike_by_both_ways(
    values: list[Any], column: Column, form: str
) -> None:
    if form == "fixed":
        values = [v for v in values if v is None or len(v) == 2]
    kind = {
        "list": pa.list_(pa.float64()),
        "large": pa.large_list(pa.float32()),
        "fixed": pa.list_(pa.float64(), 2),
    }[form]
    agree(pa.array(values, kind), column)


def test_nan_counts_as_null_and_none_is_null() -> None:
    assert is_null(None)
    assert is_null(math.nan)
    assert not is_null(0)


def test_an_offset_of_half_an_hour_is_the_same_instant_both_ways() -> None:
    column = Column("t", "datetime")
    text = "2026-01-31 12:00:00.5+05:30"
    moment = datetime(2026, 1, 31, 12, 0, 0, 500_000, timezone(timedelta(hours=5, minutes=30)))

    assert read_cell(text, column) == moment
    array = typed([text], column)
    assert array is not None
    assert array.to_pylist() == [moment]
