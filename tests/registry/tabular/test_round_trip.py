"""What the writers write, the readers read back: every type, every format, every value."""

from __future__ import annotations

import datetime as dt
import io

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.signature.dtypes import DTYPES
from registry.signature.types import Column
from registry.tabular import FORMATS, read_batches, write_chunks

# NUL bytes are no text of a CSV file, and surrogates no text at all.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.sampled_from(
        [
            *["", " ", '"', '""', ",", "\n", "\r", "\r\n", "'", 'a"b,c\nd', "\\N", "=1+1"],
            *["NA", "null", "true", "007", "1e5", "\ufeff", "\u2028", "\x0b", "\x1c"],
            *["é", "日本", "👩\u200d🔬"],
        ]
    ),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [5e-324, -5e-324, 1.7976931348623157e308, 0.1, -0.0, 1e15, 1e16, 1e22, 123456789.0, 2.0**53]
)
FLOATS32 = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.sampled_from([0.5, 1e10])
MOMENTS = st.datetimes(timezones=st.just(dt.UTC)) | st.sampled_from(
    [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=dt.UTC),
    ]
)
VALUES = {
    "boolean": st.booleans(),
    "string": TEXTS,
    "float64": FLOATS,
    "float32": FLOATS32,
    "date": st.dates(),
    "datetime": MOMENTS,
} | {
    key: st.integers(*dtype.bounds) | st.sampled_from(dtype.bounds)
    for key, dtype in DTYPES.items()
    if dtype.bounds
}
WRITTEN = [key for key, format in FORMATS.items() if format.write is not None]


def round_trip(batch: pa.RecordBatch, format: str) -> pa.Table:
    columns = [
        Column(field.name, key, nullable=True)
        for field, key in zip(
            batch.schema, batch.schema.metadata[b"keys"].decode().split(), strict=True
        )
    ]
    content = b"".join(write_chunks(format, [batch], batch.schema))
    found = read_batches(io.BytesIO(content), format, columns=columns)
    return pa.Table.from_batches(found, batch.schema.remove_metadata())


KEYS = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4)


@st.composite
def batches(draw, keys=KEYS):
    chosen = draw(keys)
    rows = draw(st.integers(0, 6))
    cells = [
        draw(st.lists(st.none() | VALUES[key], min_size=rows, max_size=rows)) for key in chosen
    ]
    fields = [(f"c{place}", DTYPES[key].arrow) for place, key in enumerate(chosen)]
    schema = pa.schema(fields, metadata={"keys": " ".join(chosen)})
    arrays = [pa.array(c, DTYPES[k].arrow) for c, k in zip(cells, chosen, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def same(found: pa.Table, batch: pa.RecordBatch) -> bool:
    # Bit by bit for floats: -0.0 is not 0.0.
    return [repr(c.to_pylist()) for c in found.columns] == [
        repr(c.to_pylist()) for c in batch.columns
    ] and found.schema.types == batch.schema.types


@pytest.mark.parametrize("format", WRITTEN)
@settings(deadline=None, max_examples=150)
@given(batch=batches())
def test_every_value_of_every_type_comes_back(format, batch):
    # JSON Lines without a line have no columns to come back.
    assume(batch.num_rows or format != "jsonl")
    assert same(round_trip(batch, format), batch)


@pytest.mark.parametrize("key", sorted(VALUES))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_single_column_with_nulls_comes_back_from_csv(key, data):
    batch = data.draw(batches(st.just([key])))
    assert same(round_trip(batch, "csv"), batch)


@settings(deadline=None, max_examples=100)
@given(names=st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique=True))
def test_column_names_come_back_as_they_are(names):
    # A byte order mark at the very beginning belongs to the file, not to the first name; and a
    # header of numbers alone, or of one column with other separators, is taken for a mistake.
    names = ["first", *(name for name in names if name != "first")]
    batch = pa.RecordBatch.from_arrays([pa.array([1])] * len(names), names=names)
    for format in WRITTEN:
        content = b"".join(write_chunks(format, [batch], batch.schema))
        assert next(read_batches(io.BytesIO(content), format)).schema.names == names


@settings(deadline=None, max_examples=60)
@given(values=st.lists(FLOATS, min_size=1, max_size=5))
def test_a_float_column_is_found_to_be_one_again(values):
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values), pa.array(["x"] * len(values))], ["f", "x"]
    )
    content = b"".join(write_chunks("csv", [batch], batch.schema))
    found = next(read_batches(io.BytesIO(content), "csv"))
    assert found.schema.field("f").type == pa.float64()
    assert repr(found.column("f").to_pylist()) == repr(values)
