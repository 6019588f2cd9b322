"""Cells against declared types: every bad one is named, and the fast way agrees with the slow."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.signature.cells import CellRefused
from registry.signature.dtypes import DTYPES
from registry.signature.types import Column, Signature
from registry.signature.validate import validate_columns
from registry.tabular import TabularError, read_batches, read_csv_cells, read_table
from registry.tabular.text_cells import read_text
from registry.tabular.text_columns import parse_column

CELLS = [
    ("int64", "20", 20),
    ("int64", "20.0", 20),
    ("int64", "2e1", 20),
    ("int64", "007", 7),
    ("int64", " 7 ", 7),
    ("int64", "NA", None),
    ("int64", "20.7", "not-an-integer"),
    ("int64", "", None),
    ("int64", "x", "not-an-integer"),
    ("int64", "0x1F", "not-an-integer"),
    ("int64", "+5", "not-an-integer"),
    ("int64", "true", "not-an-integer"),
    ("int64", "9223372036854775808", "out-of-range"),
    ("int64", "9007199254740993.0", 9007199254740993),
    ("int64", "1e999999999", "out-of-range"),
    ("int8", "300", "out-of-range"),
    ("uint8", "-1", "out-of-range"),
    ("uint64", "18446744073709551615", 2**64 - 1),
    ("float64", "1", 1.0),
    ("float64", ".5", 0.5),
    ("float64", "9007199254740993", "loses-precision"),
    ("float64", "9007199254740993.0", 9007199254740992.0),
    ("float64", "inf", "not-finite"),
    ("float64", "-Infinity", "not-finite"),
    ("float64", "1e400", "out-of-range"),
    ("float64", "1,5", "not-a-number"),
    ("float64", "NAN", "not-a-number"),
    ("float64", "nan", None),
    ("float32", "1e39", "out-of-range"),
    ("float32", "16777217", "loses-precision"),
    ("float32", "0.5", 0.5),
    ("boolean", "1", True),
    ("boolean", "false", False),
    ("boolean", "True", "not-a-boolean"),
    ("boolean", "2", "not-a-boolean"),
    ("string", "NA", "NA"),
    ("string", " x ", " x "),
    ("date", "2026-01-31", "2026-01-31"),
    ("date", "31.01.2026", "not-a-date"),
    ("datetime", "2026-01-31 12:00:00", "no-offset"),
    ("datetime", "2026-01-31T12:00:00.1234567Z", "loses-precision"),
    ("datetime", "0001-01-01T00:00:00+01:00", "out-of-range"),
    ("datetime", "soon", "not-a-datetime"),
]


@pytest.mark.parametrize(("key", "cell", "expected"), CELLS)
def test_one_cell_of_a_declared_column(key, cell, expected):
    quoted = f'"{cell}"' if "," in cell else cell
    content = f"a,b\n{quoted},x\n".encode()
    columns = [Column("a", key), Column("b", "string")]
    if isinstance(expected, str) and "-" in expected and not expected[0].isdigit():
        with pytest.raises(TabularError) as caught:
            list(read_batches(io.BytesIO(content), "csv", columns=columns))
        problem = caught.value.problems[0]
        assert (problem.code, problem.row, problem.line) == (expected, 0, 2)
        assert problem.received == cell
        assert caught.value.count == 1
    else:
        value = next(read_batches(io.BytesIO(content), "csv", columns=columns)).to_pydict()["a"][0]
        assert value == expected or str(value) == expected


@pytest.mark.parametrize(("key", "cell", "expected"), CELLS)
def test_the_validator_refuses_the_same_cell_with_the_same_code(key, cell, expected):
    quoted = f'"{cell}"' if "," in cell else cell
    column = Column("a", key, nullable=True)
    text = read_csv_cells(io.BytesIO(f"a\n{quoted}\n".encode()), [column], max_bytes=1000)
    checked = validate_columns(Signature((column,)), text.columns, lines=text.lines)
    if isinstance(expected, str) and "-" in expected and not expected[0].isdigit():
        problem = checked.problems[0]
        assert (problem.code, problem.line) == (expected, 2)
    else:
        assert checked.problem_count == 0


TEXTS = st.one_of(
    st.sampled_from([cell for _, cell, _ in CELLS]),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"\A[-+]?[0-9]{0,3}[.eE]?[-+]?[0-9]{0,3}\Z"),
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.datetimes().map(lambda d: d.isoformat(" ") + "+01:30"),
    st.dates().map(str),
    st.text(max_size=5),
)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.none() | TEXTS, min_size=1, max_size=4), st.sampled_from(sorted(DTYPES)))
def test_whole_columns_are_taken_as_their_cells_are(cells, key):
    dtype = DTYPES[key]
    try:
        slow = [read_text(cell, dtype) for cell in cells]
    except CellRefused:
        slow = None
    fast = parse_column(pa.array(cells, pa.string()), dtype, inferring=False)
    if fast is not None:
        assert slow is not None
        assert fast.equals(pa.array(slow, dtype.arrow))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.none() | TEXTS, min_size=1, max_size=4), st.sampled_from(sorted(DTYPES)))
def test_an_inferred_column_holds_what_the_declared_type_would(cells, key):
    text = pa.array(cells, pa.string())
    inferred = parse_column(text, DTYPES[key], inferring=True)
    if inferred is not None:
        assert inferred.equals(parse_column(text, DTYPES[key], inferring=False))


def test_bad_cells_are_named_by_row_then_column_with_physical_lines():
    content = b'n,t\n1,"two\nlines"\nx,y\n\n3.5,2026-01-31\n'
    columns = [Column("t", "date"), Column("n", "int64")]
    with pytest.raises(TabularError) as caught:
        list(read_batches(io.BytesIO(content), "csv", columns=columns))
    named = [(p.row, p.column, p.code, p.line) for p in caught.value.problems]
    assert named == [
        (0, "t", "not-a-date", 2),
        (1, "t", "not-a-date", 4),
        (1, "n", "not-an-integer", 4),
        (2, "n", "not-an-integer", 6),
    ]
    assert caught.value.problems[0].received == "two\nlines"


def test_all_bad_cells_are_counted_and_a_hundred_shown():
    content = b"n\n" + b"x\n" * 70_000
    with pytest.raises(TabularError) as caught:
        list(read_batches(io.BytesIO(content), "csv", columns=[Column("n", "int64")]))
    assert caught.value.count == 70_000
    assert [p.line for p in caught.value.problems] == list(range(2, 102))


def test_unknown_and_missing_columns_are_named_with_the_nearest():
    columns = [Column("age", "int64"), Column("city", "string", nullable=True)]
    for content, reason, column in (
        (b"agee\n1\n", "unknown-column", "agee"),
        (b"city\nRome\n", "missing-column", "age"),
    ):
        with pytest.raises(TabularError) as caught:
            list(read_batches(io.BytesIO(content), "csv", columns=columns))
        assert caught.value.reason == reason
        assert caught.value.evidence["column"] == column
    batch = next(read_batches(io.BytesIO(b"age\n1\n"), "csv", columns=columns))
    assert batch.to_pydict() == {"age": [1], "city": [None]}


def test_a_table_keeps_columns_beyond_the_declared_ones():
    table = read_table(io.BytesIO(b"x,n\n1.5,2\n"), "csv", columns=[Column("n", "string")])
    assert table.to_pydict() == {"x": [1.5], "n": ["2"]}


def test_a_tensor_cell_is_json_in_csv():
    column = Column("v", "float64", shape=(2, -1))
    good = b'v,n\n"[[1, 2], [3, 4]]",1\n,2\n'
    columns = [column, Column("n", "int64")]
    batch = next(read_batches(io.BytesIO(good), "csv", columns=columns))
    assert batch.to_pydict()["v"] == [[[1.0, 2.0], [3.0, 4.0]], None]
    with pytest.raises(TabularError) as caught:
        list(read_batches(io.BytesIO(b'v,n\n"[[1]]",1\nx,1\n'), "csv", columns=columns))
    assert [p.code for p in caught.value.problems] == ["wrong-shape", "wrong-shape"]


def test_batches_are_no_longer_than_asked_for():
    batches = list(read_batches(io.BytesIO(b"n\n" + b"1\n" * 10), "csv", batch_rows=4))
    assert [b.num_rows for b in batches] == [4, 4, 2]
