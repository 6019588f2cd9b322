"""Plain: writing a chunk's file: the same rows always give the same bytes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from registry.tabular.grouping import Groups
from registry.tabular.hashing import HashingSink
from registry.tabular.write import parquet_writer


@dataclass(frozen=True, slots=True)
class Written:
    """A closed file: digest of its bytes, size, rows."""

    sha256: str
    size_bytes: int
    rows: int


class PartWriter:
    """Collects batches and writes the row groups of ``Groups``, whatever the batches' sizes were.

    Nothing of the time or the machine goes into the file. The schema is that of the first batch;
    a later batch of another schema raises ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._sink = HashingSink(path)
        self._groups = Groups()
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
        with closing(self._sink):
            if self._writer is not None and self._writer.is_open:
                self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        if self.schema is None:
            self.schema = batch.schema.remove_metadata()
        elif not batch.schema.equals(self.schema):
            raise ValueError("the columns of a result changed between two calls of the model")
        self.rows += batch.num_rows
        for group in self._groups.add(batch):
            self._flush(group)

    def close(self) -> Written | None:
        """Finish the file, which was hashed while it was written; None when there was no row."""
        if self.rows == 0:
            return None
        if rest := self._groups.rest():
            self._flush(rest)
        assert self._writer is not None
        self._writer.close()
        self._sink.close()
        return Written(self._sink.sha256(), self._sink.size_bytes, self.rows)

    def _flush(self, group: list[pa.RecordBatch]) -> None:
        table = pa.Table.from_batches(group).replace_schema_metadata(None).combine_chunks()
        if self._writer is None:
            self._writer = parquet_writer(self._sink, table.schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
