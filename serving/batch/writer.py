"""Plain: writing a chunk's file: the same rows always give the same bytes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from registry.tabular.hashing import HashingSink
from registry.tabular.write import ROW_GROUP_ROWS, parquet_writer


@dataclass(frozen=True, slots=True)
class Written:
    """A closed file: digest of its bytes, size, rows."""

    sha256: str
    size_bytes: int
    rows: int


class PartWriter:
    """Collects batches and writes row groups of 65,536 rows, whatever the batches' sizes were.

    Nothing of the time or the machine goes into the file. The schema is that of the first batch;
    a later batch of another schema raises ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._sink = HashingSink(path)
        self._held: list[pa.RecordBatch] = []
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
        with closing(self._sink):
            if self._writer is not None and self._writer.is_open:
                self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        if self.schema is None:
            self.schema = batch.schema.remove_metadata()
        elif not batch.schema.equals(self.schema):
            raise ValueError("the columns of a result changed between two calls of the model")
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self.rows += batch.num_rows
        while self._held_rows >= ROW_GROUP_ROWS:
            self._flush(ROW_GROUP_ROWS)

    def close(self) -> Written | None:
        """Finish the file, which was hashed while it was written; None when there was no row."""
        if self.rows == 0:
            return None
        if self._held_rows:
            self._flush(self._held_rows)
        assert self._writer is not None
        self._writer.close()
        self._sink.close()
        return Written(self._sink.sha256(), self._sink.size_bytes, self.rows)

    def _flush(self, rows: int) -> None:
        whole = pa.Table.from_batches(self._held).replace_schema_metadata(None)
        if self._writer is None:
            self._writer = parquet_writer(self._sink, whole.schema)
        self._writer.write_table(whole.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._held = whole.slice(rows).to_batches()
        self._held_rows = whole.num_rows - rows
