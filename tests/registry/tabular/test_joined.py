"""Several files as one table: the same columns, types that fit all rows, files named in errors."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.tabular import TabularError, reader_of, to_parts
from registry.tabular.joined import JoinedReader


def joined(format: str, files: dict[str, bytes]) -> JoinedReader:
    def opener(content: bytes) -> Any:
        @contextmanager
        def opened() -> Iterator[Any]:
            yield reader_of(io.BytesIO(content), format, max_bytes=1 << 30)

        return opened

    pairs = [(name, opener(content)) for name, content in files.items()]
    return JoinedReader(pairs, is_text=format != "parquet")


def rows(format: str, folder: Path, files: dict[str, bytes]) -> list[dict[str, Any]]:
    found = to_parts(joined(format, files), lambda: folder / "all.parquet")
    return pq.read_table(found.parts[0].path).to_pylist()


def parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_rows_come_one_file_after_the_other(tmp_path: Path) -> None:
    found = rows("csv", tmp_path, {"a.csv": b"id,x\n1,a\n2,b\n", "b.csv": b"id,x\n3,\n"})
    assert found == [{"id": 1, "x": "a"}, {"id": 2, "x": "b"}, {"id": 3, "x": None}]


def test_types_fit_the_rows_of_all_files(tmp_path: Path) -> None:
    files = {"a.csv": b"n,t\n1,5\n", "b.csv": b"n,t\n1.5,x\n"}
    assert rows("csv", tmp_path, files) == [{"n": 1.0, "t": "5"}, {"n": 1.5, "t": "x"}]


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    for second, how in (
        (b"id\n3\n", "has no column `x`"),
        (b"id,x,y\n3,4,5\n", "another column, `y`"),
        (b"x,id\n3,4\n", "in another order"),
    ):
        with pytest.raises(TabularError, match=rf"b\.csv.*{how}"):
            rows("csv", tmp_path, {"a.csv": b"id,x\n1,2\n", "b.csv": second})


def test_what_is_wrong_in_a_file_is_told_with_its_name_and_line(tmp_path: Path) -> None:
    with pytest.raises(TabularError, match=r"b\.csv: .*line 3") as refused:
        rows("csv", tmp_path, {"a.csv": b"id,x\n1,2\n", "b.csv": b"id,x\n1,2\n1,2,3\n"})
    assert refused.value.errors()[0]["line"] == 3


def test_numbers_that_are_no_exact_floats_are_not_made_floats(tmp_path: Path) -> None:
    files = {"a.csv": b"n\n9007199254740993\n", "b.csv": b"n\n0.5\n"}
    with pytest.raises(TabularError, match=r"a\.csv: the numbers of `n` are no exact floats"):
        rows("csv", tmp_path, files)


def test_typed_files_of_other_types_are_refused(tmp_path: Path) -> None:
    files = {"a.parquet": parquet(n=[1]), "b.parquet": parquet(n=["x"])}
    with pytest.raises(TabularError, match=r"b\.parquet: `n` is string and was int64"):
        rows("parquet", tmp_path, files)
    alike = dict.fromkeys("ab", parquet(n=[1, 2]))
    assert [row["n"] for row in rows("parquet", tmp_path, alike)] == [1, 2, 1, 2]


def test_names_are_those_of_every_file(tmp_path: Path) -> None:
    assert joined("jsonl", {"a": b'{"k":1}\n', "b": b'{"k":2}\n'}).names() == ("k",)
