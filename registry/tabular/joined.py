"""Plain: several files of one format as one table: the same columns, one file after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from registry.signature.dtypes import DTYPES
from registry.signature.names import shown
from registry.signature.types import Column
from registry.tabular.csv_read import Widened
from registry.tabular.errors import TabularError
from registry.tabular.readers import Guess, Reader

T = TypeVar("T")


class JoinedReader:
    """The rows of all files in their order. ``files`` are names with what opens a reader.

    All must have the columns of the first. Where two found types differ, numbers become floats
    and, in text formats (``is_text``), anything else becomes text; a typed format is refused. What
    is wrong in a file is told with the file's name.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, Callable[[], AbstractContextManager[Reader]]]],
        *,
        is_text: bool,
    ) -> None:
        self._files = files
        self._is_text = is_text

    def names(self) -> tuple[str, ...]:
        """The columns of every file. Raises TabularError where one has others."""
        first, *rest = self._of_each(lambda reader: reader.names())
        for (name, _), names in zip(self._files[1:], rest, strict=True):
            self._require_same(name, names, first)
        return first

    def find(self) -> tuple[Column, ...]:
        """The columns with types that fit every row of every file."""
        columns: tuple[Column, ...] = ()
        for (name, _), found in zip(self._files, self._of_each(lambda r: r.find()), strict=True):
            if not columns:
                columns = found
            self._require_same(name, [c.name for c in found], [c.name for c in columns])
            pairs = zip(columns, found, strict=True)
            columns = tuple(self._united(name, ours, theirs) for ours, theirs in pairs)
        return columns

    def guess(self) -> Guess | None:
        """None: a later file may have other types."""
        return None

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self._batches(lambda reader: reader.inferred(columns))

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types."""
        return self._batches(lambda reader: reader.declared(columns))

    def _batches(
        self, read: Callable[[Reader], Iterator[pa.RecordBatch]]
    ) -> Iterator[pa.RecordBatch]:
        for name, opened in self._files:
            with opened() as reader:
                try:
                    yield from read(reader)
                except TabularError as error:
                    raise _in_file(name, error) from None
                except Widened as column:
                    found = f"{name}: the numbers of `{shown(str(column))}` are no exact floats"
                    raise TabularError("mixed-types", found, column=str(column)) from None

    def _of_each(self, ask: Callable[[Reader], T]) -> Iterator[T]:
        for name, opened in self._files:
            with opened() as reader:
                try:
                    answer = ask(reader)
                except TabularError as error:
                    raise _in_file(name, error) from None
            yield answer

    def _require_same(self, name: str, names: Sequence[str], first: Sequence[str]) -> None:
        if list(names) == list(first):
            return
        missing = next((one for one in first if one not in names), None)
        if missing is not None:
            raise _other_columns("missing-column", name, f"has no column `{shown(missing)}`")
        unknown = next((one for one in names if one not in first), None)
        if unknown is not None:
            raise _other_columns("unknown-column", name, f"has another column, `{shown(unknown)}`")
        raise _other_columns("unknown-column", name, "has its columns in another order")

    def _united(self, name: str, ours: Column, theirs: Column) -> Column:
        nullable = ours.nullable or theirs.nullable
        if ours.type == theirs.type and ours.shape == theirs.shape:
            return replace(ours, nullable=nullable)
        kinds = {DTYPES[ours.type].kind, DTYPES[theirs.type].kind}
        if kinds <= {"integer", "float"} and ours.shape is None and theirs.shape is None:
            return replace(ours, type="float64", nullable=nullable)
        if not self._is_text:
            found = f"{name}: `{shown(ours.name)}` is {theirs.type} and was {ours.type} before"
            raise TabularError("mixed-types", found, column=ours.name)
        return replace(ours, type="string", nullable=nullable)


def _other_columns(reason: str, name: str, how: str) -> TabularError:
    return TabularError(reason, f"{name} {how}; the files before it differ")


def _in_file(name: str, error: TabularError) -> TabularError:
    """The same with the file's name, and the line and column of its first problem."""
    found = str(error).partition(". What to do:")[0]
    evidence = dict(error.evidence)
    for problem in error.problems[:1]:
        evidence |= {"line": problem.line, "column": problem.column}
        found += f" (line {problem.line}, column `{shown(problem.column or '')}`: {problem.code})"
    return TabularError(error.reason, f"{name}: {found}", **evidence)
