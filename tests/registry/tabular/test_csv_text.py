"""CSV as RFC 4180 says: what is null, what is text, and what is wrong by its physical line."""

from __future__ import annotations

import gzip
import io

import pytest

from registry.signature.types import Column
from registry.tabular import TabularError, read_batches, read_table
from registry.tabular.source import RATIO_FREE_BYTES, CappedStream


def rows(content: bytes, format: str = "csv", **options):
    return read_table(io.BytesIO(content), format, **options).to_pydict()


def refused(content: bytes, format: str = "csv", **options) -> TabularError:
    with pytest.raises(TabularError) as caught:
        list(read_batches(io.BytesIO(content), format, **options))
    return caught.value


TAKEN = [
    (b'a,b\nx,""\n,y\n', {"a": ["x", None], "b": ["", "y"]}),
    (b"a,b\r\nx,y\r\nz,w", {"a": ["x", "z"], "b": ["y", "w"]}),
    (b"a,b\rx,y\rz,w\r", {"a": ["x", "z"], "b": ["y", "w"]}),
    (b"\xef\xbb\xbfa,b\nx,y\n", {"a": ["x"], "b": ["y"]}),
    (b'a,b\n"x\n,\r\n""y""",z\n', {"a": ['x\n,\r\n"y"'], "b": ["z"]}),
    (b'a,b\n5" pipe,z\nw,"x"y\n', {"a": ['5" pipe', "w"], "b": ["z", "xy"]}),
    (b"a,b\nx,y\n\n\nz,w\n\n", {"a": ["x", "z"], "b": ["y", "w"]}),
    (b"a\nx\n\ny\n", {"a": ["x", None, "y"]}),
    ("name,größe\nZoë,日本\n".encode(), {"name": ["Zoë"], "größe": ["日本"]}),
    (b'"a b","c,d"\nx,y\n', {"a b": ["x"], "c,d": ["y"]}),
    (b"a,b\nNA,x\nNaN,\n", {"a": [None, None], "b": ["x", None]}),
    (b"a,b\nNA,x\nz,null\n", {"a": ["NA", "z"], "b": ["x", "null"]}),
    (b"a,b\n", {"a": [], "b": []}),
    (b"a,b", {"a": [], "b": []}),
    (b"2019,2020\n1.5,2.5\n", {"2019": [1.5], "2020": [2.5]}),
]


@pytest.mark.parametrize(("content", "expected"), TAKEN)
def test_csv_is_read_as_it_is_written(content, expected):
    assert rows(content) == expected


WRONG = [
    (b"", "empty-file", 1, None),
    (b"\xef\xbb\xbf", "empty-file", 1, None),
    (b"\na,b\n1,2\n", "no-header", 1, None),
    (b"5.1,3.5\n4.9,3.0\n", "no-header", 1, None),
    (b"a;b\n1;2\n", "no-header", 1, None),
    (b"a\tb\n1\t2\n", "no-header", 1, None),
    (b"a,\n1,2\n", "empty-column-name", 1, None),
    (b"a,b,a\n1,2,3\n", "duplicate-column", 1, "a"),
    (b"a,b\nx,y\nx,\xff\n", "bad-encoding", 3, None),
    (b"a\xff,b\n1,2\n", "bad-encoding", 1, None),
    (b'a,b\n"x\ny",1\nz,\xc3\n', "bad-encoding", 4, None),
    ("a,b\n1,2\n".encode("utf-16"), "bad-encoding", 1, None),
    (b"a,b\nx,y\nx,\0\n", "bad-encoding", 3, None),
    (b'a,b\nx,y\n"open,z\nx,y\n', "unclosed-quote", 3, None),
    (b'a,b\nx,"open', "unclosed-quote", 2, None),
    (b'a\nx\n"', "unclosed-quote", 3, None),
    (b'"a,b\n', "unclosed-quote", 1, None),
]


@pytest.mark.parametrize(("content", "reason", "line", "column"), WRONG)
def test_a_file_that_is_wrong_as_a_whole_names_line_and_column(content, reason, line, column):
    error = refused(content)
    assert error.reason == reason
    assert error.errors()[0]["line"] == line
    assert error.errors()[0]["column"] == column
    assert "What to do" in str(error)


def test_ragged_rows_are_all_counted_and_named_by_physical_line():
    error = refused(b'a,b\n1,2\n1,2,3\n"x\n\n",3\n\n1\n')
    assert (error.reason, error.count) == ("ragged-rows", 2)
    assert [(p.row, p.line, p.received) for p in error.problems] == [
        (1, 3, "3 fields"),
        (3, 8, "1 field"),
    ]


def test_of_very_many_ragged_rows_the_first_hundred_are_named():
    error = refused(b"a,b\n" + b"1\n" * 250)
    assert error.count == 250
    assert [p.line for p in error.problems] == list(range(2, 102))


def test_an_odd_count_of_quotes_alone_is_no_error():
    assert rows(b'a,b\n5" pipe,x\n') == {"a": ['5" pipe'], "b": ["x"]}


def test_a_record_over_the_limit_is_refused_with_the_line_where_it_begins(monkeypatch):
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 4096)
    monkeypatch.setattr("registry.tabular.csv_exact.RECORD_MAX_BYTES", 8192)
    begun = b"a,b\nx,y\n"
    for record in (b'"' + b"z" * 9000 + b'",1\n', b'"' + b"z\n" * 9000, b"z" * 20_000):
        error = refused(begun + record)
        assert (error.reason, error.errors()[0]["line"]) == ("record-too-long", 3)


def test_a_record_that_straddles_too_many_blocks_is_named_too(monkeypatch):
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 4096)
    error = refused(b"a,b\n" + b"x,y\n" * 10 + b"x," + b"z" * 20_000 + b"\nx,y\n")
    assert (error.reason, error.errors()[0]["line"]) == ("record-too-long", 12)


def test_a_quote_that_never_closes_is_found_in_a_large_file_in_linear_time():
    error = refused(b'a,b\n1,2\n3,"x\n' + b"4,5\n" * 200_000)
    assert (error.reason, error.errors()[0]["line"]) == ("unclosed-quote", 3)


def test_more_bytes_than_allowed_are_refused():
    assert refused(b"a\n" + b"1\n" * 1000, max_bytes=500).reason == "too-large"


def test_more_columns_than_are_read_are_refused():
    names = ",".join(f"c{n}" for n in range(5000)).encode()
    assert refused(names + b"\n").reason == "too-large"


def test_gzip_is_taken_off_in_one_or_several_members():
    content = gzip.compress(b"a,b\nx,1\n") + gzip.compress(b"y,2\n") + bytes(100)
    assert rows(content, "csv.gz") == {"a": ["x", "y"], "b": [1, 2]}


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-5], lambda c: c + b"junk", lambda c: c[:20] + b"\0\0\0\0" + c[24:]]
)
def test_a_damaged_gzip_file_is_refused(damage):
    content = gzip.compress(b"a,b\n" + b"x,1\n" * 1000)
    assert refused(damage(content), "csv.gz").reason == "malformed-file"


def test_a_gzip_bomb_is_refused_before_it_has_grown():
    bomb = gzip.compress(b"a,b\n" + b"x,1\n" * (RATIO_FREE_BYTES // 2))
    assert refused(bomb, "csv.gz").reason == "gzip-bomb"


def test_a_stream_that_has_ended_does_not_move_the_file_any_more():
    file = io.BytesIO(b"a,b\n1,2\n")
    stream = CappedStream(file, max_bytes=100)
    assert stream.read(4) == b"a,b\n"
    stream.end()
    assert stream.read(4) == b""
    assert file.tell() == 4


def test_a_file_can_be_read_again_right_after_a_reading_was_given_up(monkeypatch):
    # Arrow reads ahead in the background; what it still reads must not be missing afterwards.
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 1024)
    file = io.BytesIO(b"a,b\n" + b"1,2\n" * 5000)
    for _ in range(30):
        given_up = read_batches(file, "csv", columns=[Column("a", "int64"), Column("b", "int64")])
        next(given_up)
        given_up.close()
        assert read_table(file, "csv").num_rows == 5000


def test_decompressed_bytes_are_capped():
    content = gzip.compress(b"a\n" + b"1\n" * 5000)
    assert refused(content, "csv.gz", max_bytes=5000).reason == "too-large"


def test_every_error_has_at_least_one_entry_to_show():
    assert all(refused(content).errors() for content, *_ in WRONG)
