"""Arrow and Parquet bodies: damaged, dishonest and growing ones are refused before they cost."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import DomainError, InvalidField, MalformedBody
from serving.protocols.arrow_body import GROWTH_MAX, read_arrow_stream, read_parquet
from serving.protocols.ipc_messages import MalformedMessage, decompressed_bytes

CAP = 100_000


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(body: bytes, rows: int = 10_000_000) -> pa.Table:
    return read_arrow_stream(body, max_bytes=CAP, max_rows=rows)


ZEROS = pa.table({"a": np.zeros(200_000)})  # 1.6 MB that compress to nothing


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_the_claimed_size_of_compressed_buffers_is_known_before_they_are_read(
    compression: str,
) -> None:
    body = stream(ZEROS, compression)

    assert len(body) < CAP
    assert decompressed_bytes(body) >= 1_600_000
    with pytest.raises(InvalidField, match="too large"):
        read(body)


def test_an_uncompressed_stream_claims_nothing() -> None:
    assert decompressed_bytes(stream(ZEROS)) == 0


def test_compressed_dictionaries_are_counted_too() -> None:
    table = pa.table({"a": pa.array([str(i) * 50 for i in range(5_000)]).dictionary_encode()})

    assert decompressed_bytes(stream(table, "zstd")) > 500_000


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_small_table_is_read_as_it_was(compression: str | None) -> None:
    table = pa.table({"a": [1, None], "b": ["x", "y"], "c": [[1.0], [2.0]]})

    assert read(stream(table, compression)).equals(table)


def test_a_dictionary_that_repeats_a_long_text_is_refused() -> None:
    long_text = pa.array(["x" * 50_000])
    indices = pa.array(np.zeros(1_000, dtype=np.int8))
    table = pa.table({"a": pa.DictionaryArray.from_arrays(indices, long_text)})
    body = stream(table)

    assert len(body) < CAP
    with pytest.raises(InvalidField, match="too large"):
        read(body)


def test_views_that_repeat_a_long_text_are_refused_and_short_ones_read() -> None:
    fits = pa.array(["a", None, "x" * 50, ""], pa.string_view()).slice(1)
    assert read(stream(pa.table({"a": fits}))).column(0).to_pylist() == [None, "x" * 50, ""]

    views = np.zeros((1_000, 4), dtype="<i4")
    views[:, 0] = 50_000  # length; then four bytes of prefix, buffer 0, offset 0
    views[:, 1] = int.from_bytes(b"xxxx", "little")
    buffers = [None, pa.py_buffer(views.tobytes()), pa.py_buffer(b"x" * 50_000)]
    repeated = pa.Array.from_buffers(pa.string_view(), 1_000, buffers)
    with pytest.raises(InvalidField, match="too large"):
        read(stream(pa.table({"a": repeated})))


def test_rows_that_cost_nothing_are_counted() -> None:
    with pytest.raises(InvalidField, match="1000 rows at most"):
        read(stream(pa.table({"a": pa.nulls(5_000)})), rows=1_000)


@pytest.mark.parametrize(
    "array",
    [
        pa.RunEndEncodedArray.from_arrays(pa.array([10], pa.int32()), pa.array(["x"])),
        pa.array([[1]], pa.list_view(pa.int64())),
        pa.array([[None]], pa.list_(pa.null())),
    ],
    ids=["run-end", "list view", "list of nothing"],
)
def test_types_that_repeat_at_no_cost_are_refused_by_name(array: pa.Array) -> None:
    with pytest.raises(InvalidField, match="`a`"):
        read(stream(pa.table({"a": array})))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8), st.sampled_from([None, "zstd"]))
def test_a_damaged_stream_is_refused_or_read_and_never_breaks(
    at: int, noise: bytes, compression: str | None
) -> None:
    views = pa.array(["short", None, "longer than the twelve bytes of a view"], pa.string_view())
    table = pa.table({"a": [1, None, 3], "b": views, "c": [[1.0], None, [2.0]]})
    body = bytearray(stream(table, compression))
    at %= len(body)
    body[at : at + len(noise)] = noise

    with contextlib.suppress(DomainError):  # any other exception fails the test
        read(bytes(body)).validate(full=True)


@pytest.mark.parametrize("kept", [0, 3, 8, 40, -9])
def test_a_stream_that_is_cut_off_is_malformed(kept: int) -> None:
    body = stream(pa.table({"a": list(range(100))}))[:kept]

    with pytest.raises(MalformedBody):
        read(body)


def test_a_message_that_points_outside_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        decompressed_bytes(b"\xff\xff\xff\xff\x08\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00")


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def test_a_parquet_file_that_grows_beyond_the_cap_is_refused() -> None:
    rows = GROWTH_MAX * CAP // 8 + 1
    body = parquet(pa.table({"a": np.zeros(rows)}))

    assert len(body) < CAP
    with pytest.raises(InvalidField, match="too large"):
        read_parquet(body, max_bytes=CAP, max_rows=10_000_000)


def test_a_parquet_file_of_too_many_rows_is_refused_by_its_footer() -> None:
    with pytest.raises(InvalidField, match="10 rows at most"):
        read_parquet(parquet(pa.table({"a": range(11)})), max_bytes=CAP, max_rows=10)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_a_damaged_parquet_file_is_refused_or_read_and_never_breaks(at: int, noise: bytes) -> None:
    body = bytearray(parquet(pa.table({"a": [1, None, 3], "b": ["x", "yy", None]})))
    at %= len(body)
    body[at : at + len(noise)] = noise

    with contextlib.suppress(DomainError):  # any other exception fails the test
        read_parquet(bytes(body), max_bytes=CAP, max_rows=10_000)
