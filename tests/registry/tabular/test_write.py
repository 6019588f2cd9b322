"""The writers' bytes: quoting, nulls, times, formulas of spreadsheets, what is not finite."""

from __future__ import annotations

import datetime as dt
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.tabular import (
    FORMATS,
    TabularError,
    csv_chunks,
    detect,
    format_of_media_type,
    jsonl_chunks,
    parquet_chunks,
    write_chunks,
    write_csv,
)

MOMENT = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
TABLE = pa.table(
    {
        "text": pa.array(["x", "", None, 'a "b"', "c,d\ne"]),
        "float": pa.array([1.0, 0.1, None, float("nan"), float("inf")]),
        "whole": pa.array([1, 2, None, 4, 2**62]),
        "yes": pa.array([True, False, None, True, True]),
        "day": pa.array([MOMENT.date()] * 5),
        "at": pa.array(
            [MOMENT, MOMENT.replace(microsecond=5), None, MOMENT, MOMENT],
            pa.timestamp("us", "UTC"),
        ),
    }
)


def csv_text(table: pa.Table, **options) -> str:
    return b"".join(csv_chunks(table.to_batches(), table.schema, **options)).decode()


def test_csv_quotes_only_what_needs_it_and_tells_null_from_empty():
    assert csv_text(TABLE).split("\r\n") == [
        "text,float,whole,yes,day,at",
        "x,1.0,1,true,2026-01-31,2026-01-31T12:00:00Z",
        '"",0.1,2,false,2026-01-31,2026-01-31T12:00:00.000005Z',
        ",,,,2026-01-31,",
        '"a ""b""",,4,true,2026-01-31,2026-01-31T12:00:00Z',
        '"c,d\ne",,4611686018427387904,true,2026-01-31,2026-01-31T12:00:00Z',
        "",
    ]


def test_csv_can_do_without_header_and_with_other_line_ends():
    assert csv_text(TABLE.select(["whole"]), header=False, line_end="\n") == (
        "1\n2\n\n4\n4611686018427387904\n"
    )


RISKY = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1", "", None, "'x"]


def test_texts_that_a_spreadsheet_would_run_are_neutralised_when_asked_and_numbers_stay():
    table = pa.table({"=name": RISKY, "n": pa.array([-1] * len(RISKY))})
    safe = csv_text(table, safe=True)
    assert safe.startswith("'=name,n\r\n'=1+1,-1\r\n'+1,-1\r\n'-1,-1\r\n'@x,-1\r\n'\tx,-1\r\n")
    assert '"\'\rx",-1\r\nx=1,-1\r\n"",-1\r\n,-1\r\n\'x,-1\r\n' in safe
    assert "'" not in csv_text(table).replace("'x", "")


def test_json_lines_have_every_member_and_null_for_what_is_not_finite():
    lines = b"".join(jsonl_chunks(TABLE.to_batches(), TABLE.schema)).decode().splitlines()
    assert lines[0] == (
        '{"text":"x","float":1.0,"whole":1,"yes":true,"day":"2026-01-31",'
        '"at":"2026-01-31T12:00:00Z"}'
    )
    assert '"float":null' in lines[3]
    assert '"float":null' in lines[4]


def test_parquet_has_bounded_row_groups_and_the_same_bytes_every_time():
    table = pa.table({"n": list(range(150_000))})
    # However the rows are cut into batches.
    once = b"".join(parquet_chunks(table.to_batches(max_chunksize=7_000), table.schema))
    again = b"".join(parquet_chunks(table.to_batches(max_chunksize=65_536), table.schema))
    assert once == again
    metadata = pq.read_metadata(io.BytesIO(once))
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [65_536, 65_536, 18_928]


@pytest.mark.parametrize("format", [key for key, row in FORMATS.items() if row.write])
def test_writers_stream_and_take_tables_without_rows(format):
    schema = pa.schema([("a", pa.int64())])
    empty = b"".join(write_chunks(format, [], schema))
    batches = iter([pa.record_batch({"a": pa.array([n], pa.int64())}) for n in range(3)])
    chunks = write_chunks(format, batches, schema)
    first = next(chunks)
    assert isinstance(first, bytes)
    assert isinstance(empty, bytes)
    if format in ("csv", "jsonl"):
        assert next(batches, None) is not None


def test_lists_are_json_in_csv():
    table = pa.table({"v": [[1.0, 2.0], None]})
    assert csv_text(table, line_end="\n") == 'v\n"[1.0,2.0]"\n\n'


def test_dictionaries_are_written_as_their_values():
    table = pa.table({"k": pa.array(["a", "b", "a"]).dictionary_encode()})
    assert csv_text(table, line_end="\n") == "k\na\nb\na\n"
    assert b"".join(jsonl_chunks(table.to_batches(), table.schema)).count(b'"a"') == 2


def test_a_file_like_object_takes_the_same_bytes():
    out = io.BytesIO()
    write_csv(TABLE.to_batches(), out, schema=TABLE.schema)
    assert out.getvalue().decode() == csv_text(TABLE)


def test_what_is_only_read_cannot_be_written():
    for format in ("json", "csv.gz", "xlsx"):
        with pytest.raises(TabularError) as caught:
            write_chunks(format, [], pa.schema([]))
        assert caught.value.reason == "unknown-format"


@pytest.mark.parametrize(
    ("head", "filename", "key"),
    [
        (b"a,b\n", "rows.csv", "csv"),
        (b"a,b\n", "ROWS.CSV", "csv"),
        (b"\x1f\x8b\x08", "rows.csv.gz", "csv.gz"),
        (b"\x1f\x8b\x08", "rows", "csv.gz"),
        (b"PAR1", "rows.parquet", "parquet"),
        (b"PAR1", "rows", "parquet"),
        (b'{"a":1}', "rows.jsonl", "jsonl"),
        (b'[{"a":1}]', "rows.json", "json"),
        (b"\xff\xff\xff\xff", "rows.arrows", "arrow"),
    ],
)
def test_formats_are_told_by_first_bytes_and_suffix(head, filename, key):
    assert detect(head, filename) == key


@pytest.mark.parametrize(
    ("head", "filename", "reason"),
    [
        (b"", "rows.csv", "empty-file"),
        (b"PAR1", "rows.csv", "unknown-format"),
        (b"a,b\n", "rows.parquet", "unknown-format"),
        (b"a,b\n", "rows.csv.gz", "unknown-format"),
        (b"a,b\n", "rows.xlsx", "unknown-format"),
    ],
)
def test_bytes_and_suffix_that_contradict_each_other_are_refused(head, filename, reason):
    with pytest.raises(TabularError) as caught:
        detect(head, filename)
    assert caught.value.reason == reason


def test_media_types_are_found_whatever_their_parameters():
    assert format_of_media_type("Text/CSV; charset=utf-8") == "csv"
    assert format_of_media_type("application/vnd.apache.arrow.stream") == "arrow"
    assert format_of_media_type("image/png") is None
