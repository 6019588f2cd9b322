"""Plain: the type of a JSON column, found from every row of it.

int64 (or uint64) where all values are whole numbers and none is missing or null, else float64;
boolean; texts that are all dates are date, RFC 3339 times with an offset datetime, else string.
``1.0`` is a float. JSON says what is a number and what a text, so a mixture is refused.
"""

from __future__ import annotations

from typing import Any

from registry.errors import RowProblem
from registry.signature.cells import received
from registry.signature.convert import typed
from registry.signature.names import shown
from registry.signature.types import Column
from registry.tabular.errors import TabularError
from registry.tabular.json_rows import RowBatch

INT64_MAX = 2**63 - 1
_KINDS = {bool: "boolean", int: "number", float: "number", str: "text"}
_CODES = {"boolean": "not-a-boolean", "number": "not-a-number", "text": "not-a-string"}


class JsonTypeFinder:
    """Collects what the rows say about the column ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_nulls = False
        self._kind: str | None = None
        self._is_whole = True
        self._high = 0
        self._texts = ["date", "datetime"]  # what the texts may still be

    def add(self, batch: RowBatch) -> None:
        """Take the next rows; raises TabularError for nested values and for mixtures."""
        values = [row.get(self.name) for row in batch.rows]
        kinds = set(map(type, values))
        if type(None) in kinds:
            self.has_nulls = True
            kinds.discard(type(None))
        for kind in kinds:
            if kind not in _KINDS:
                raise self._refused("nested-values", "wrong-shape", values, batch, {list, dict})
        self._check_kinds(kinds, values, batch)
        if float in kinds:
            self._is_whole = False
        elif int in kinds:
            self._high = max(self._high, max(v for v in values if v is not None))
        if str in kinds:
            self._texts = [key for key in self._texts if self._are(key, values)]

    def found(self) -> str:
        """The key of the type after the last rows."""
        if self._kind == "boolean":
            return "boolean"
        if self._kind == "text":
            return self._texts[0] if self._texts else "string"
        if self._kind is None or not self._is_whole or self.has_nulls:
            return "float64"
        return "int64" if self._high <= INT64_MAX else "uint64"

    def _check_kinds(self, kinds: set[type], values: list[Any], batch: RowBatch) -> None:
        if self._kind is None and kinds:
            first = next(value for value in values if value is not None)
            self._kind = _KINDS[type(first)]
        alien = {kind for kind in kinds if _KINDS[kind] != self._kind}
        if alien and self._kind is not None:
            raise self._refused("mixed-types", _CODES[self._kind], values, batch, alien)

    def _are(self, key: str, texts: list[Any]) -> bool:
        return typed(texts, Column(self.name, key, nullable=True)) is not None

    def _refused(
        self, reason: str, code: str, values: list[Any], batch: RowBatch, kinds: set[type]
    ) -> TabularError:
        at = next(index for index, value in enumerate(values) if type(value) in kinds)
        line = batch.lines[at]
        cell = received(values[at])
        problem = RowProblem(batch.first + at, self.name, code, self._kind, cell, line)
        what = "nested values" if reason == "nested-values" else "values of different types"
        found = f"The column `{shown(self.name)}` holds {what}, at row {batch.first + at} for one"
        return TabularError(reason, found, problems=[problem], line=line, column=self.name)
