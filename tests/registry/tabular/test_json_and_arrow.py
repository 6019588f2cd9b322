"""JSON Lines, JSON documents, Parquet and Arrow streams: strict in, typed out."""

from __future__ import annotations

import datetime as dt
import decimal
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.signature.types import Column
from registry.tabular import TabularError, infer_columns, read_batches, read_table


def table_of(content: bytes, format: str, **options) -> pa.Table:
    return read_table(io.BytesIO(content), format, **options)


def refused(content: bytes, format: str, **options) -> TabularError:
    with pytest.raises(TabularError) as caught:
        list(read_batches(io.BytesIO(content), format, **options))
    return caught.value


def parquet(table: pa.Table, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def test_rows_of_json_lines_may_lack_members_and_bring_new_ones():
    content = b'{"a":1}\n\n{"b":"x","a":2}\r\n{"c":true}'
    assert table_of(content, "jsonl").to_pydict() == {
        "a": [1.0, 2.0, None],
        "b": [None, "x", None],
        "c": [None, None, True],
    }


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a":1,"b":"x"},{"a":2,"b":null}]',
        b'{"columns":{"a":[1,2],"b":["x",null]}}',
        b'{"instances":[{"a":1,"b":"x"},{"a":2}]}',
        b'\xef\xbb\xbf[{"a":1,"b":"x"},{"a":2,"b":null}]',
    ],
)
def test_a_document_is_an_array_of_objects_or_columns(content):
    assert table_of(content, "json").to_pydict() == {"a": [1, 2], "b": ["x", None]}


WRONG = [
    (b"", "jsonl", "empty-file", 1),
    (b'{"a":1}\n{"a":}\n', "jsonl", "malformed-json", 2),
    (b'{"a":1}\n[1]\n', "jsonl", "malformed-json", 2),
    (b'{"a":1,"a":2}\n', "jsonl", "malformed-json", 1),
    (b'{"a": NaN}\n', "jsonl", "malformed-json", 1),
    (b'{"a": 1e999}\n', "jsonl", "malformed-json", 1),
    (b'{"a":"x"}\n{"a":"\xff"}\n', "jsonl", "bad-encoding", 2),
    (b'{"a":1}\n{"a":"' + b"x" * (9 << 20) + b'"}\n', "jsonl", "record-too-long", 2),
    (b'{"a":1}\n{"":2}\n', "jsonl", "empty-column-name", None),
    (b"", "json", "empty-file", 1),
    (b"[1]", "json", "malformed-json", None),
    (b'{"rows":[]}', "json", "malformed-json", None),
    (b'{"columns":{"a":[1],"b":[]}}', "json", "malformed-json", None),
    (b'{"columns":[1]}', "json", "malformed-json", None),
    (b'[{"a":1,"a":2}]', "json", "malformed-json", None),
    (b"[" * 100_000, "json", "malformed-json", None),
]


@pytest.mark.parametrize(("content", "format", "reason", "line"), WRONG)
def test_json_that_is_not_strict_is_refused_with_its_line(content, format, reason, line):
    error = refused(content, format)
    assert error.reason == reason
    assert error.errors()[0].get("line") == line


def test_wide_whole_numbers_in_json_are_exact_or_refused():
    ids = [2**63, 2**64 - 1, 2**53 + 1]
    content = "\n".join(f'{{"a":{value}}}' for value in ids).encode()
    assert table_of(content, "jsonl").to_pydict() == {"a": ids}
    error = refused(b'{"a":9007199254740993}\n{"a":null}\n', "jsonl")
    assert (error.problems[0].code, error.problems[0].line) == ("loses-precision", 1)
    assert refused(b'{"a":1}\n{"a":18446744073709551616}\n', "jsonl").problems[0].line == 2


def test_declared_columns_hold_for_json_lines():
    columns = [Column("b", "date"), Column("a", "int8")]
    content = b'{"a":1.0,"b":"2026-01-31"}\n\n{"a":300,"b":"x"}\n{"a":true}\n'
    error = refused(content, "jsonl", columns=columns)
    assert [(p.row, p.column, p.code, p.line) for p in error.problems] == [
        (1, "b", "not-a-date", 3),
        (1, "a", "out-of-range", 3),
        (2, "a", "not-an-integer", 4),
    ]


KEPT = [
    (pa.array([1, None], pa.int8()), "int8", [1, None]),
    (pa.array([2**63], pa.uint64()), "uint64", [2**63]),
    (pa.array([0.1], pa.float32()), "float32", [pytest.approx(0.1)]),
    (pa.array([1.5, float("nan")]), "float64", [1.5, None]),
    (pa.array([0.5], pa.float16()), "float32", [0.5]),
    (pa.array(["x", "y", "x"]).dictionary_encode(), "string", ["x", "y", "x"]),
    (pa.array(["x"], pa.large_string()), "string", ["x"]),
    (pa.array(["x"], pa.string_view()), "string", ["x"]),
    (pa.array([None, None], pa.null()), "float64", [None, None]),
    (pa.array([dt.date(2026, 1, 31)], pa.date64()), "date", [dt.date(2026, 1, 31)]),
    (pa.array([decimal.Decimal("0.10")], pa.decimal128(10, 2)), "float64", [0.1]),
    (pa.array([decimal.Decimal(7)], pa.decimal128(10, 0)), "int64", [7]),
    (pa.array([True, None]), "boolean", [True, None]),
]


@pytest.mark.parametrize(("array", "key", "values"), KEPT)
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_arrow_types_are_kept_or_widened_without_loss(array, key, values, format):
    table = pa.table({"a": array})
    content = parquet(table) if format == "parquet" else stream(table)
    assert infer_columns(io.BytesIO(content), format)[0].type == key
    assert table_of(content, format).to_pydict() == {"a": values}


def test_times_with_a_zone_become_utc_microseconds():
    moment = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    for unit in ("s", "ms", "us", "ns"):
        array = pa.array([moment], pa.timestamp(unit, "Europe/Rome"))
        found = table_of(parquet(pa.table({"t": array})), "parquet")
        assert found.schema.field("t").type == pa.timestamp("us", "UTC")
        assert found.column("t")[0].as_py() == moment


LOST = [
    (pa.array([0], pa.timestamp("us")), "no-offset"),
    (pa.array([[1]]), "nested-values"),
    (pa.array([{"x": 1}]), "nested-values"),
    (pa.array([b"x"]), "type-not-supported"),
    (pa.array([1], pa.time64("us")), "type-not-supported"),
    (pa.array([1], pa.duration("s")), "type-not-supported"),
    (pa.array([decimal.Decimal("0.1")], pa.decimal128(30, 20)), "loses-precision"),
]


@pytest.mark.parametrize(("array", "reason"), LOST)
def test_types_that_cannot_be_kept_are_refused_by_column(array, reason):
    for content, format in (
        (parquet(pa.table({"ok": [1] * len(array), "a b": array})), "parquet"),
        (stream(pa.table({"ok": [1] * len(array), "a b": array})), "arrow"),
    ):
        error = refused(content, format)
        assert (error.reason, error.evidence["column"]) == (reason, "a b")


def test_cells_that_cannot_be_kept_are_refused_by_row():
    nanoseconds = pa.array([0, 1], pa.timestamp("ns", "UTC"))
    infinite = pa.array([1.0, float("inf")])
    for array, code in ((nanoseconds, "loses-precision"), (infinite, "not-finite")):
        error = refused(parquet(pa.table({"a": array})), "parquet")
        assert [(p.row, p.column, p.code) for p in error.problems] == [(1, "a", code)]


def test_declared_types_hold_for_parquet_and_tensors_pass():
    table = pa.table({"v": [[1.0, 2.0], [3.0, 4.0]], "n": [1.0, 2.5]})
    columns = [Column("v", "float64", shape=(2,)), Column("n", "int64")]
    error = refused(parquet(table), "parquet", columns=columns)
    assert [(p.row, p.column, p.code) for p in error.problems] == [(1, "n", "not-an-integer")]
    good = table.set_column(1, "n", pa.array([1.0, 2.0]))
    batch = next(read_batches(io.BytesIO(parquet(good)), "parquet", columns=columns))
    assert batch.to_pydict() == {"v": [[1.0, 2.0], [3.0, 4.0]], "n": [1, 2]}


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_damaged_and_truncated_files_are_refused(format):
    table = pa.table({"a": list(range(1000)), "b": [str(n) for n in range(1000)]})
    content = parquet(table) if format == "parquet" else stream(table)
    for length in range(0, len(content) - 9, max(1, len(content) // 40)):
        assert refused(content[:length], format).reason in ("malformed-file", "empty-file")


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_mutated_files_end_as_rows_or_as_a_refusal(format):
    import random

    table = pa.table({"a": list(range(300)), "b": [str(n) for n in range(300)]})
    content = parquet(table) if format == "parquet" else stream(table)
    chance = random.Random(20260131)
    for _ in range(150):
        changed = bytearray(content)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        try:
            for batch in read_batches(io.BytesIO(bytes(changed)), format):
                batch.validate(full=True)
        except TabularError:
            pass


def test_duplicate_names_are_refused_in_arrow_too():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert refused(parquet(table), "parquet").reason == "duplicate-column"


def test_a_file_over_the_limit_is_refused():
    content = parquet(pa.table({"a": list(range(10_000))}))
    assert refused(content, "parquet", max_bytes=100).reason == "too-large"


def test_a_small_parquet_file_may_not_grow_without_end(monkeypatch):
    monkeypatch.setattr("registry.tabular.arrow_read.GROWTH_FREE_BYTES", 1 << 20)
    bomb = parquet(pa.table({"a": pa.array([0] * 3_000_000, pa.int64())}))
    assert refused(bomb, "parquet").reason == "gzip-bomb"
