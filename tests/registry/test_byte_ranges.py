"""A file that is read by ranges gives the same bytes as one that lies here, and holds little."""

from __future__ import annotations

import io
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.byte_ranges import MOST_WINDOW_BYTES, RangeFile
from registry.errors import StorageAway

SIZE = 3_000_000


class Elsewhere:
    """Bytes that are fetched, and which ranges were."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.content[start:stop]

    def file(self) -> RangeFile:
        return RangeFile(len(self.content), self.fetch)


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(3).randbytes(SIZE)


@pytest.mark.parametrize("seed", range(20))
def test_any_reads_and_jumps_are_those_of_a_file(content: bytes, seed: int) -> None:
    chance = random.Random(seed)
    near, far = io.BytesIO(content), Elsewhere(content).file()
    for _ in range(60):
        if chance.random() < 0.5:
            whence = chance.choice((os.SEEK_SET, os.SEEK_END))
            offset = chance.randrange(SIZE + 10) * (-1 if whence == os.SEEK_END else 1)
            if whence == os.SEEK_END:
                offset = max(offset, -SIZE)
            assert near.seek(offset, whence) == far.seek(offset, whence)
        size = chance.choice((0, 1, 100, 65_536, 70_000, 500_000, -1))
        assert near.read(size) == far.read(size)
        assert near.tell() == far.tell()
    assert far.read(None) == near.read(None)


def test_a_buffer_is_filled(content: bytes) -> None:
    far = Elsewhere(content).file()
    buffer = bytearray(200_000)
    assert far.readinto(memoryview(buffer)) == 200_000
    assert bytes(buffer) == content[:200_000]


def test_reading_on_is_read_ahead_in_few_questions_and_little_memory() -> None:
    there = Elsewhere(bytes(64 << 20))
    far = there.file()
    while far.read(100_000):
        pass
    assert len(there.asked) < 20
    assert max(stop - start for start, stop in there.asked) <= MOST_WINDOW_BYTES
    assert there.asked[0] == (0, 131_072)
    assert all(stop == start for (_, stop), (start, _) in zip(there.asked, there.asked[1:]))  # noqa: B905


def test_jumping_about_is_not_read_ahead() -> None:
    there = Elsewhere(bytes(64 << 20))
    far = there.file()
    for at in range(60, 0, -1):
        far.seek(at << 20)
        far.read(1_000)
    assert max(stop - start for start, stop in there.asked) <= 65_536


def test_before_the_beginning_is_refused_and_after_the_end_is_empty() -> None:
    far = Elsewhere(b"abc").file()
    with pytest.raises(ValueError, match="before the beginning"):
        far.seek(-1)
    far.seek(10)
    assert far.read() == b""


def test_bytes_that_do_not_come_are_an_error() -> None:
    far = RangeFile(100, lambda start, stop: b"x" * (stop - start - 1))
    with pytest.raises(OSError, match="99 bytes came, 100 were asked for"):
        far.read()


def test_parquet_is_read_from_elsewhere_and_an_outage_keeps_its_name() -> None:
    table = pa.table({f"c{at}": range(20_000) for at in range(5)})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=5_000)
    there = Elsewhere(out.getvalue())
    batches = list(pq.ParquetFile(there.file()).iter_batches(columns=["c2"], use_threads=False))
    assert pa.Table.from_batches(batches).column("c2").to_pylist() == list(range(20_000))

    opened = pq.ParquetFile(there.file())

    def away(start: int, stop: int) -> bytes:
        raise StorageAway("No answer.")

    there.fetch = away  # type: ignore[method-assign]
    far = RangeFile(len(there.content), away)
    with pytest.raises(StorageAway):
        next(pq.ParquetFile(far, metadata=opened.metadata).iter_batches(use_threads=False))
