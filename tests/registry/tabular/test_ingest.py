"""Any file becomes typed Parquet with bounded row groups, the same bytes for the same rows."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.tabular import Profiler, TabularError, reader_of, to_parquet, to_parts

CSV = b'name,age,city\nAnn,42,"Rome, IT"\nBob,,""\n,7,\n'


def ingested(content: bytes, format: str, path, **options):
    return to_parquet(io.BytesIO(content), format, path, **options)


def test_rows_columns_profile_and_hash_of_a_file(tmp_path):
    path = tmp_path / "out.parquet"
    found = ingested(CSV, "csv", path)
    assert found.rows == 3
    assert [(c.name, c.type, c.nullable) for c in found.columns] == [
        ("name", "string", True),
        ("age", "float64", True),
        ("city", "string", True),
    ]
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.parts[0].size_bytes == path.stat().st_size
    assert [p["nulls"] for p in found.profile] == [1, 1, 1]
    assert pq.read_table(path).to_pydict() == {
        "name": ["Ann", "Bob", None],
        "age": [42.0, None, 7.0],
        "city": ["Rome, IT", "", None],
    }


def test_the_same_rows_give_the_same_bytes_from_every_format(tmp_path):
    csv = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n % 7) for n in range(70_000))
    jsonl = b"".join(b'{"a":%d,"b":"x%d"}\n' % (n, n % 7) for n in range(70_000))
    table = pa.table({"a": list(range(70_000)), "b": [f"x{n % 7}" for n in range(70_000)]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=1_000)
    files = [(csv, "csv"), (gzip.compress(csv), "csv.gz"), (jsonl, "jsonl")]
    hashes = {
        ingested(content, format, tmp_path / "p").sha256
        for content, format in [*files, (out.getvalue(), "parquet"), *files[:1]]
    }
    assert len(hashes) == 1
    metadata = pq.read_metadata(tmp_path / "p")
    assert [metadata.row_group(n).num_rows for n in range(2)] == [65_536, 4_464]


LATE = [
    ("1", "x", "string"),
    ("1", "1.5", "float64"),
    ("1", "", "float64"),
    ("1", "9223372036854775808", "uint64"),
    ("1.5", "9007199254740993", "string"),
    ("", "true", "boolean"),
    ("", "x", "string"),
    ("true", "1", "string"),
    ("2026-01-31", "soon", "string"),
    ("2026-01-31T12:00:00Z", "2026-01-31", "string"),
    ("x", "1", "string"),
]


@pytest.mark.parametrize(("first", "last", "key"), LATE)
def test_a_late_row_changes_the_type_of_the_whole_column(first, last, key, tmp_path, monkeypatch):
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 1024)
    content = ("a,b\n" + f"{first},y\n" * 1000 + f"{last},y\n").encode()
    found = ingested(content, "csv", tmp_path / "p")
    assert found.columns[0].type == key
    assert found.rows == 1001
    values = pq.read_table(tmp_path / "p").column("a").to_pylist()
    if key == "string" and first:
        assert values[0] == first
        assert values[-1] == last


def test_nothing_is_left_behind_when_the_file_is_wrong(tmp_path):
    path = tmp_path / "out.parquet"
    content = b"a,b\n" + b"1,2\n" * 200_000 + b"1\n"
    with pytest.raises(TabularError) as caught:
        ingested(content, "csv", path)
    assert caught.value.problems[0].line == 200_002
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_the_sink_fails(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("registry.tabular.hashing.HashingSink.write", full)
    with pytest.raises(OSError, match="No space"):
        ingested(CSV, "csv", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_header_alone_has_columns_and_no_rows(tmp_path):
    found = ingested(b"a,b\n", "csv", tmp_path / "p")
    assert (found.rows, len(found.columns)) == (0, 2)
    assert pq.read_table(tmp_path / "p").num_rows == 0


def test_the_parquet_file_tells_nothing_of_time_or_place(tmp_path):
    ingested(CSV, "csv", tmp_path / "p")
    metadata = pq.read_metadata(tmp_path / "p")
    assert set(metadata.metadata or {}) <= {b"ARROW:schema"}


class CountingFile(io.RawIOBase):
    """Rows made as they are read: a file of any size in no memory."""

    def __init__(self, row: bytes, count: int) -> None:
        super().__init__()
        self._head, self._block = b"a,b,c\n", row * 1000
        self._left, self._pending = count // 1000, b""

    def seek(self, at: int, whence: int = 0) -> int:
        assert at == 0
        assert whence == 0
        self._total = getattr(self, "_total", self._left)
        self._left, self._pending = self._total, self._head
        return 0

    def read(self, size: int = -1) -> bytes:
        while len(self._pending) < size and self._left:
            self._pending += self._block
            self._left -= 1
        chunk, self._pending = self._pending[:size], self._pending[size:]
        return chunk


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    held: list[int] = []
    add = Profiler.add

    def watched(self, batch):
        held.append(pa.total_allocated_bytes())
        add(self, batch)

    monkeypatch.setattr(Profiler, "add", watched)
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 1 << 18)
    peaks = []
    for rows in (300_000, 1_500_000):
        held.clear()
        before = pa.total_allocated_bytes()
        file = CountingFile(b"1.5,some text,7\n", rows)
        assert to_parquet(file, "csv", tmp_path / "p").rows == rows
        peaks.append(max(held) - before)
    # Five times the rows: what is held is a few row groups all the same.
    assert peaks[1] < 2 * peaks[0]


def parts_of(content: bytes, folder, **options):
    """The rows of a CSV in parts below a folder."""
    paths = (folder / f"{number}.parquet" for number in itertools.count())
    reader = reader_of(io.BytesIO(content), "csv", max_bytes=1 << 30)
    return to_parts(reader, lambda: next(paths), **options)


def test_many_rows_become_several_parts_with_the_same_bytes_each_time(tmp_path):
    csv = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n % 7) for n in range(150_000))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = parts_of(csv, tmp_path / "one", most_groups=1)
    two = parts_of(csv, tmp_path / "two", most_groups=1)

    assert [part.rows for part in one.parts] == [65_536, 65_536, 18_928]
    assert one.rows == 150_000
    assert [part.sha256 for part in one.parts] == [part.sha256 for part in two.parts]
    assert [hashlib.sha256(part.path.read_bytes()).hexdigest() for part in one.parts] == [
        part.sha256 for part in one.parts
    ]
    numbers = [n for part in one.parts for n in pq.read_table(part.path).column("a").to_pylist()]
    assert numbers == list(range(150_000))


def test_parts_of_a_wrong_guess_are_taken_away(tmp_path):
    rows = b"".join(b"%d\n" % n for n in range(140_000))
    found = parts_of(b"a\n" + rows + b"late\n", tmp_path, most_groups=1)

    assert [column.type for column in found.columns] == ["string"]
    assert sorted(tmp_path.iterdir()) == sorted(part.path for part in found.parts)
    assert found.rows == 140_001


def test_a_table_without_rows_has_one_part(tmp_path):
    found = parts_of(b"a,b\n", tmp_path)
    assert [part.rows for part in found.parts] == [0]
