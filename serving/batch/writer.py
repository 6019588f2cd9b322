"""Plain: writing a chunk's file: the same rows always give the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Written:
    """A closed file: digest of its bytes, size, rows."""

    sha256: str
    size_bytes: int
    rows: int


class PartWriter:
    """Collects tables and writes row groups of 65,536 rows, whatever the tables' sizes were.

    Nothing of the time or the machine goes into the file. The schema is that of the first table;
    a later table of another schema raises ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self.schema: pa.Schema | None = None
        self.rows = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Take the next rows."""
        if self.schema is None:
            self.schema = table.schema.remove_metadata()
        elif not table.schema.equals(self.schema):
            raise ValueError("the columns of a result changed between two calls of the model")
        self._held.append(table)
        self._held_rows += table.num_rows
        self.rows += table.num_rows
        while self._held_rows >= ROW_GROUP_ROWS:
            self._flush(ROW_GROUP_ROWS)

    def close(self) -> Written | None:
        """Finish the file and hash what now lies on disk; None when there was no row."""
        if self.rows == 0:
            return None
        if self._held_rows:
            self._flush(self._held_rows)
        assert self._writer is not None
        self._writer.close()
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Written(digest, self._path.stat().st_size, self.rows)

    def _flush(self, rows: int) -> None:
        whole = pa.concat_tables(self._held)
        if self._writer is None:
            assert self.schema is not None
            self._writer = pq.ParquetWriter(self._path, self.schema, compression="zstd")
        group = whole.slice(0, rows).combine_chunks().replace_schema_metadata(None)
        self._writer.write_table(group, row_group_size=rows)
        rest = whole.slice(rows)
        self._held = [rest] if rest.num_rows else []
        self._held_rows = rest.num_rows
