"""Plain: what queries to both drivers have alike: one cursor, checked names, capped batches."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from registry.signature.types import Column
from registry.sql.faults import refused
from registry.sql.place import Place
from registry.tabular.arrow_types import schema_of
from registry.tabular.collect import Problems, bad_rows, typed_values
from registry.tabular.csv_read import check_names, check_width
from registry.tabular.errors import TabularError


class Query:
    """What both drivers have alike: one statement at a time on one cursor."""

    def __init__(
        self,
        place: Place,
        cursor: Any,
        query: str,
        types: Mapping[str, str],
        deadline_s: float,
        max_bytes: int,
    ) -> None:
        self._place, self._cursor, self._query = place, cursor, query
        self._types, self._max_bytes = types, max_bytes
        self._ends_at = time.monotonic() + deadline_s

    def names(self) -> tuple[str, ...]:
        """The columns of the query, in its order."""
        raise NotImplementedError

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; a column that the query does not have is null all over."""
        raise NotImplementedError

    def _require_time(self) -> None:
        if time.monotonic() > self._ends_at:
            raise refused("took-too-long", "The query did not end in its time.")

    def _check(self, names: Sequence[str]) -> None:
        check_width(len(names))
        check_names(names)
        unknown = sorted(set(self._types) - set(names))
        if unknown:
            found = f"`types` names the column `{unknown[0][:80]}`, and the query has none"
            raise TabularError("unknown-column", found, line=None, column=unknown[0])

    def _capped(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The raw batches of a statement, as long as time and bytes last."""
        allowed = self._max_bytes
        self._require_time()
        for batch in batches:
            self._require_time()
            allowed -= batch.nbytes
            if allowed < 0:
                found = f"The rows are over the limit of {self._max_bytes} bytes"
                raise TabularError("too-large", found, limit_bytes=self._max_bytes)
            yield batch


def typed_batches(
    raw: Iterator[list[pa.Array]], columns: Sequence[Column]
) -> Generator[pa.RecordBatch, None, None]:
    """Arrays in the order of the columns to typed batches; all refused cells at the end."""
    schema, problems, first = schema_of(columns), Problems(), 0
    for arrays in raw:
        typed = [
            typed_values(array, column, place, problems, first=first)
            for place, (array, column) in enumerate(zip(arrays, columns, strict=True))
        ]
        first += len(arrays[0])
        if not problems.count:
            yield pa.RecordBatch.from_arrays(typed, schema=schema)
    if problems.count:
        raise bad_rows(problems)
