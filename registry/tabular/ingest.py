"""Plain: any tabular file to its typed Parquet form: read once where the first rows tell the types.

The types come from all rows. They are guessed from the first ones, which is right for nearly every
file; where a later row does not fit its guess, the file is read again from the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa

from registry.signature.types import Column
from registry.tabular.ahead import ahead
from registry.tabular.arrow_types import schema_of
from registry.tabular.csv_read import Widened
from registry.tabular.formats import reader_of
from registry.tabular.grouping import ROW_GROUP_ROWS, regrouped
from registry.tabular.hashing import HashingSink
from registry.tabular.profile import Profiler
from registry.tabular.read import MAX_BYTES
from registry.tabular.readers import Reader
from registry.tabular.write import parquet_writer

# A part has at most so many row groups, four million rows: its footer stays small, and one that is
# read in the middle is not looked for among thousands.
PART_GROUPS = 64


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """One Parquet file: where it lies, its rows, digest and size in bytes."""

    path: Path
    rows: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Ingested:
    """Typed Parquet files in row order: rows, columns (nullable where there are nulls), profile.

    There is always a part, if only one without rows.
    """

    rows: int
    columns: tuple[Column, ...]
    profile: list[dict[str, Any]]
    parts: tuple[WrittenPart, ...]

    @property
    def sha256(self) -> str:
        """The digest of the only part."""
        (part,) = self.parts
        return part.sha256


def to_parquet(
    file: BinaryIO, format: str, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> Ingested:
    """Write the rows of ``file`` to ``path`` as Parquet, in row groups of 65,536 rows.

    The same rows give the same bytes. ``file`` must be seekable; ``path`` is overwritten, fsynced,
    and removed again when anything is raised. Raises TabularError for what is wrong with the file.
    """
    reader = reader_of(file, format, max_bytes=max_bytes)
    path = Path(path)
    try:
        return to_parts(reader, lambda: path, most_groups=None)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def to_parts(
    reader: Reader, new_path: Callable[[], Path], *, most_groups: int | None = PART_GROUPS
) -> Ingested:
    """Write all rows of a reader into Parquet files of at most so many row groups, None: one file.

    ``new_path`` gives a path for each, which the caller removes. The bytes depend on the rows and
    their types alone. Raises what the reader raises.
    """
    guess = reader.guess()
    if guess is not None:
        files = _PartFiles(schema_of(guess[0]), new_path, most_groups)
        try:
            return _write(guess[1], guess[0], files)
        except Widened:
            files.remove()
    columns = reader.find()
    files = _PartFiles(schema_of(columns), new_path, most_groups)
    return _write(reader.inferred(columns), columns, files)


def _write(
    batches: Iterator[pa.RecordBatch], columns: tuple[Column, ...], files: _PartFiles
) -> Ingested:
    profiler = Profiler(columns)
    with ahead(regrouped(batches, schema_of(columns))) as tables, files:
        for table in _profiled(tables, profiler):
            files.write(table)
        files.finish()
    profile = profiler.result()
    found = zip(columns, profile, strict=True)
    nullable = tuple(replace(column, nullable=bool(facts["nulls"])) for column, facts in found)
    parts = tuple(files.parts)
    return Ingested(sum(part.rows for part in parts), nullable, profile, parts)


class _PartFiles:
    """Writes tables of a row group each into one file after the other; as a context it closes."""

    def __init__(
        self, schema: pa.Schema, new_path: Callable[[], Path], most_groups: int | None
    ) -> None:
        self.parts: list[WrittenPart] = []
        self._schema = schema
        self._new_path = new_path
        self._most_groups = most_groups
        self._stack = ExitStack()
        self._groups = self._rows = 0

    def __enter__(self) -> _PartFiles:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def write(self, table: pa.Table) -> None:
        """Add a row group."""
        if self._groups == self._most_groups:
            self.finish()
            self._begin()
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._groups += 1
        self._rows += table.num_rows

    def finish(self) -> None:
        """Close the present file and wait until the disk has it."""
        self._writer.close()
        self._sink.sync()
        sink = self._sink
        self.parts.append(WrittenPart(self._path, self._rows, sink.sha256(), sink.size_bytes))
        self._stack.close()

    def remove(self) -> None:
        """Take the files away that were written."""
        for path in (*(part.path for part in self.parts), self._path):
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._path = self._new_path()
        self._sink = self._stack.enter_context(closing(HashingSink(self._path)))
        self._writer = self._stack.enter_context(parquet_writer(self._sink, self._schema))
        self._groups = self._rows = 0


def _profiled(tables: Iterable[pa.Table], profiler: Profiler) -> Iterator[pa.Table]:
    for table in tables:
        for batch in table.combine_chunks().to_batches():
            profiler.add(batch)
        yield table
