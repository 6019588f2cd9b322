"""The plain parts of a batch job: ranges, names, parts, files, the search for bad rows, pace."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.errors import InvalidField, ModelFailed, RowProblem
from registry.signature.types import Column, Signature
from serving.batch import failpoints
from serving.batch import parts as parts_module
from serving.batch.columns import kept_columns, reject_columns, require_inputs, result_columns
from serving.batch.isolate import MAX_FAILING_CALLS, isolate
from serving.batch.names import job_of, part_name
from serving.batch.pace import Pace
from serving.batch.parts import SCORE_ROWS, Footers, OpenParts, Part, score_rows
from serving.batch.progress import fraction_done, seconds_left
from serving.batch.ranges import (
    CHUNK_ROWS,
    COMPILED_CHUNK_ROWS,
    MAX_CHUNK_ROWS,
    RowRange,
    chunk_ranges,
    split_range,
)
from serving.batch.rejects import rejects_table
from serving.batch.writer import PartWriter

JOB = UUID("01890000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("rows", "chunk_rows", "bounds"),
    [
        (0, 10, [(0, 0)]),
        (1, 10, [(0, 1)]),
        (10, 10, [(0, 10)]),
        (11, 10, [(0, 10), (10, 11)]),
        (25, 10, [(0, 10), (10, 20), (20, 25)]),
    ],
)
def test_ranges_cover_all_rows_once(
    rows: int, chunk_rows: int, bounds: list[tuple[int, int]]
) -> None:
    assert [(part.start, part.stop) for part in chunk_ranges(rows, chunk_rows)] == bounds


def test_large_chunks_become_smaller_towards_the_end() -> None:
    parts = chunk_ranges(5_000_000, COMPILED_CHUNK_ROWS)

    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == 5_000_000
    sizes = [part.rows for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == COMPILED_CHUNK_ROWS
    assert sizes[-2] == CHUNK_ROWS


def test_no_chunk_is_larger_than_asked() -> None:
    for asked in (1_000, CHUNK_ROWS, 100_000, MAX_CHUNK_ROWS):
        assert max(part.rows for part in chunk_ranges(3_000_000, asked)) <= asked


def test_there_are_never_more_than_ten_thousand_chunks() -> None:
    for asked in (1, CHUNK_ROWS, COMPILED_CHUNK_ROWS):
        assert len(chunk_ranges(5_000_000_000, asked)) <= 10_000
    assert len(chunk_ranges(5_000_000, 1)) == 10_000


@pytest.mark.parametrize(("rows", "pieces"), [(1, 8), (7, 8), (8, 8), (100, 8), (100, 1)])
def test_a_split_range_is_covered_and_has_no_empty_piece(rows: int, pieces: int) -> None:
    parts = split_range(RowRange(10, 10 + rows), pieces)
    assert parts[0].start == 10
    assert parts[-1].stop == 10 + rows
    assert all(left.stop == right.start for left, right in pairwise(parts))
    assert min(part.rows for part in parts) >= 1
    assert len(parts) == min(rows, pieces)


def test_a_part_s_name_tells_its_job_and_no_other_name_does() -> None:
    name = part_name(JOB, 3, 2, "ab" * 32, "results")
    assert name == f"batch/{JOB}/000003-0002-abababababababab-results.parquet"
    assert job_of(name) == JOB
    assert job_of(f"batch/{JOB}/../secret") is None
    assert job_of(f"{name}.tmp") is None


@pytest.mark.parametrize(
    ("total", "done", "has_ended_well", "fraction"),
    [(None, 0, False, 0.0), (0, 0, False, 0.0), (0, 0, True, 1.0), (3, 1, False, 0.3333)],
)
def test_progress_is_a_fraction_of_the_rows(
    total: int | None, done: int, has_ended_well: bool, fraction: float
) -> None:
    assert fraction_done(total, done, has_ended_well=has_ended_well) == fraction


@pytest.mark.parametrize(
    ("total", "done", "elapsed_s", "left"),
    [(100, 25, 10.0, 30), (100, 0, 10.0, None), (None, 0, 1.0, None), (100, 100, 5.0, 0)],
)
def test_what_is_left_goes_at_the_pace_so_far(
    total: int | None, done: int, elapsed_s: float, left: int | None
) -> None:
    assert seconds_left(total, done, elapsed_s) == left


def test_waits_grow_and_end_somewhere() -> None:
    pace = Pace()
    assert [pace.backoff(n) for n in (1, 2, 3, 9)] == [5.0, 20.0, 80.0, 300.0]
    assert pace.heartbeat_s == pace.lease_s / 3


def test_failpoints_do_nothing_until_a_test_arms_them() -> None:
    seen: list[str] = []
    failpoints.reach("claim.leased")
    failpoints.arm(seen.append)
    failpoints.reach("claim.leased")
    assert seen == ["claim.leased"]


def test_nothing_in_the_service_arms_a_failpoint(repository: Path) -> None:
    armed = [
        path
        for folder in ("serving", "registry", "config")
        for path in (repository / folder).rglob("*.py")
        if "failpoints.arm(" in path.read_text(encoding="utf-8")
    ]
    assert armed == []


def numbers_in_parts(folder: Path, sizes: list[int]) -> list[Part]:
    parts, first = [], 0
    for index, size in enumerate(sizes):
        table = pa.table({"n": range(first, first + size), "text": ["x"] * size})
        pq.write_table(table, folder / f"{index}", row_group_size=4)
        parts.append(Part(f"{index}", size))
        first += size
    return parts


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
@pytest.mark.parametrize(("start", "stop"), [(0, 20), (3, 17), (9, 10), (19, 20), (5, 5)])
def test_rows_are_read_across_files_and_row_groups(
    tmp_path: Path, start: int, stop: int, batch_rows: int
) -> None:
    parts = numbers_in_parts(tmp_path, [9, 0, 1, 10])
    opened = OpenParts(parts, lambda name: (tmp_path / name).open("rb"))
    tables = list(opened.tables(RowRange(start, stop), columns=["n"], batch_rows=batch_rows))
    numbers = [n for table in tables for n in table.column("n").to_pylist()]
    assert numbers == list(range(start, stop))
    assert all(table.num_rows == batch_rows for table in tables[:-1])
    assert all(table.column_names == ["n"] for table in tables)


def test_long_texts_are_read_and_written_in_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "READ_BYTES", 100_000)
    wide = pa.table({"n": range(40), "text": ["x" * 10_000] * 40})
    pq.write_table(wide, tmp_path / "wide")
    opened = OpenParts([Part("wide", 40)], lambda name: (tmp_path / name).open("rb"))
    tables = list(opened.tables(RowRange(1, 40), columns=["n", "text"], batch_rows=30))
    assert [table.num_rows for table in tables] == [9, 9, 9, 9, 3]
    thin = opened.tables(RowRange(1, 40), columns=["n"], batch_rows=30)
    assert [table.num_rows for table in thin] == [30, 9]


def test_a_file_of_other_length_than_told_is_refused(tmp_path: Path) -> None:
    (part,) = numbers_in_parts(tmp_path, [9])
    told = [Part(part.name, 10)]
    opened = OpenParts(told, lambda name: (tmp_path / name).open("rb"))
    with pytest.raises(ValueError, match="has 9 rows, not 10"):
        list(opened.tables(RowRange(0, 10), columns=["n"], batch_rows=5))


def test_a_footer_is_read_once_and_the_ones_used_last_are_kept(tmp_path: Path) -> None:
    parts, footers = numbers_in_parts(tmp_path, [9, 5, 7]), Footers(most=2)

    def read(start: int, stop: int) -> list[int]:
        opened = OpenParts(parts, lambda name: (tmp_path / name).open("rb"), footers)
        tables = opened.tables(RowRange(start, stop), columns=["n"], batch_rows=100)
        return [n for table in tables for n in table.column("n").to_pylist()]

    assert read(2, 12) == list(range(2, 12))
    first = footers.get("0")
    assert read(0, 9) == list(range(9))
    assert footers.get("0") is first
    assert read(14, 21) == list(range(14, 21))
    assert footers.get("1") is None


def test_the_bytes_of_a_file_do_not_depend_on_how_its_rows_came(tmp_path: Path) -> None:
    whole = pa.record_batch({"n": pa.array(range(1_000)), "t": pa.array(["a", None] * 500)})
    written = []
    for index, step in enumerate((1_000, 7)):
        with PartWriter(tmp_path / f"{index}") as writer:
            for start in range(0, 1_000, step):
                writer.write(whole.slice(start, step))
            written.append(writer.close())
    assert written[0] == written[1]
    assert written[0] is not None
    assert written[0].rows == 1_000


def test_keys_of_rejects_keep_apart_from_ours_and_from_each_other() -> None:
    names = ["row", "input.row", "id"]
    keys = pa.table({name: pa.array([place]) for place, name in enumerate(names)})
    table = rejects_table([RowProblem(0, "age", "missing")], keys, 7, hides_cells=False)
    kept = [{"name": name, "type": "int64", "nullable": False} for name in names]
    assert table.schema.names == [c["name"] for c in reject_columns(kept, hides_cells=False)]
    assert table.to_pylist() == [
        {"row": 7, "input.input.row": 0, "input.row": 1, "id": 2}
        | {"column": "age", "code": "missing", "received": None}
    ]


def test_a_file_without_rows_is_none(tmp_path: Path) -> None:
    with PartWriter(tmp_path / "empty") as writer:
        assert writer.close() is None


def test_columns_that_change_within_a_file_are_refused(tmp_path: Path) -> None:
    with PartWriter(tmp_path / "changing") as writer:
        writer.write(pa.record_batch({"n": pa.array([1])}))
        with pytest.raises(ValueError, match="changed between two calls"):
            writer.write(pa.record_batch({"n": pa.array(["1"])}))


def failing_on(bad: set[int]) -> tuple[list[tuple[int, int]], object]:
    calls: list[tuple[int, int]] = []

    def score(start: int, stop: int) -> list[int]:
        calls.append((start, stop))
        if bad & set(range(start, stop)):
            raise ModelFailed("no")
        return list(range(start, stop))

    return calls, score


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {13, 14, 77}])
def test_the_rows_that_fail_are_found_and_the_others_answered_in_order(bad: set[int]) -> None:
    _, score = failing_on(bad)
    pieces = list(isolate(100, score))
    assert [piece.start for piece in pieces if piece.answer is None] == sorted(bad)
    answered = [row for piece in pieces if piece.answer for row in piece.answer]
    assert answered == [row for row in range(100) if row not in bad]


def test_the_search_ends_where_everything_fails() -> None:
    calls, score = failing_on(set(range(10_000)))
    with pytest.raises(ModelFailed):
        list(isolate(10_000, score))
    assert len(calls) == MAX_FAILING_CALLS + 1


def test_large_rows_go_in_smaller_calls() -> None:
    assert score_rows(Signature((Column("n", "float64"),))) == SCORE_ROWS
    assert score_rows(Signature((Column("image", "float32", shape=(224, 224, 3)),))) == 55
    assert score_rows(Signature((Column("huge", "float64", shape=(4096, 4096)),))) == 1


def test_a_missing_nullable_column_is_missing_all_the_same() -> None:
    signature = Signature((Column("age", "int64"), Column("city", "string", nullable=True)))
    with pytest.raises(InvalidField, match="lacks the column `city`"):
        require_inputs(signature, ["age", "id"])


def test_kept_columns_stand_in_the_order_of_the_dataset() -> None:
    assert kept_columns(["c", "a"], ["a", "b", "c"]) == ("a", "c")
    assert kept_columns(None, ["a", "b"]) == ("a", "b")
    assert kept_columns([], ["a", "b"]) == ()


def test_a_result_is_described_in_our_types() -> None:
    schema = pa.schema(
        [("id", pa.string()), ("prediction", pa.int64()), ("vector", pa.list_(pa.float32()))]
    )
    kept = [{"name": "id", "type": "string", "nullable": False, "enum": ["a"]}]
    assert result_columns(schema, kept) == [
        kept[0],
        {"name": "prediction", "type": "int64", "nullable": True},
        {"name": "vector", "type": "float32", "shape": [-1], "nullable": True},
    ]
    with pytest.raises(ValueError, match="cannot hold the type"):
        result_columns(pa.schema([("x", pa.decimal128(5, 2))]), [])
