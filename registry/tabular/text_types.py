"""Plain: the type of a text column, found from every row of it.

int64 (or uint64) where all cells are whole numbers and none is missing, else float64; boolean
for true and false; date; datetime for RFC 3339 with an offset; string for everything else. A
column with no value at all is float64. Whole numbers that a float64 would change stay texts, and
so do mixtures of numbers and anything else.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.dtypes import DTYPES
from registry.tabular.text_columns import clean, parse_column

INT64_MAX = 2**63 - 1
EXACT_MAX = 2**53
_PEEKED = 64
# What the first cell may be; a column is of no other family afterwards, except string.
_FAMILIES = (
    ("boolean", re.compile(r"true|false")),
    ("number", re.compile(r"-?\.?\d\S*", re.ASCII)),
    ("date", re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    ("datetime", re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d\S+", re.ASCII)),
)


class TypeFinder:
    """Collects what the batches of one text column say about its type."""

    def __init__(self) -> None:
        self.family: str | None = None
        self._has_empty = False  # unquoted empty cells
        self._has_missing = False  # and null words
        self._is_whole = True
        self._loses_digits = False
        self._low, self._high = 0, 0

    def add(self, text: pa.StringArray) -> None:
        """Take the next batch of the column."""
        self._has_empty = self._has_empty or text.null_count > 0
        if self.family is None:
            self._begin(text)
        if self.family == "string":
            return
        parsed = None if self.family is None else self._parsed(text)
        if parsed is not None:
            self._has_missing = self._has_missing or parsed.null_count > 0
        elif self.family is None:
            self._has_missing = self._has_missing or len(text) > 0
        else:
            self.family = "string"

    @property
    def has_nulls(self) -> bool:
        """True when a cell is null: in a string column only an unquoted empty one is."""
        return self._has_empty if self.found() == "string" else self._has_missing

    def found(self) -> str:
        """The key of the type after the last batch."""
        if self.family is None:
            return "float64"
        if self.family != "number":
            return self.family
        is_mixed = self._low < 0 and self._high > INT64_MAX
        if not self._is_whole or self._has_missing or is_mixed:
            return "string" if self._loses_digits else "float64"
        return "int64" if self._high <= INT64_MAX else "uint64"

    def _begin(self, text: pa.StringArray) -> None:
        first = None
        if text.null_count < len(text):  # nearly always among the first: to clean all takes long
            first = _first_clean(text.slice(0, _PEEKED)) or _first_clean(text)
        if first is None:
            return
        # The narrowest pattern decides: a date begins with digits too.
        matching = [name for name, pattern in _FAMILIES if pattern.fullmatch(first)]
        self.family = matching[-1] if matching else "string"

    def _parsed(self, text: pa.StringArray) -> pa.Array | None:
        assert self.family is not None
        if self.family != "number":
            return parse_column(text, DTYPES[self.family], inferring=True)
        wholes = self._wholes(text) if self._is_whole and not _has_point(text) else None
        return self._floats(text) if wholes is None else wholes

    def _wholes(self, text: pa.StringArray) -> pa.Array | None:
        parsed = parse_column(text, DTYPES["int64"], inferring=True)
        if parsed is None:
            parsed = parse_column(text, DTYPES["uint64"], inferring=True)
        if parsed is not None:
            self._measure(parsed)
        return parsed

    def _measure(self, parsed: pa.Array) -> None:
        ends = pc.min_max(parsed).as_py()
        if ends["min"] is None:
            return
        self._low, self._high = min(self._low, ends["min"]), max(self._high, ends["max"])
        if ends["min"] < -EXACT_MAX or ends["max"] > EXACT_MAX:
            wide = (v for v in parsed.to_pylist() if v is not None and abs(v) > EXACT_MAX)
            self._loses_digits = self._loses_digits or any(int(float(v)) != v for v in wide)

    def _floats(self, text: pa.StringArray) -> pa.Array | None:
        parsed = parse_column(text, DTYPES["float64"], inferring=True)
        if parsed is not None:
            self._is_whole = False
        return parsed


def _first_clean(text: pa.StringArray) -> str | None:
    valid = clean(text, DTYPES["string"]).drop_null()
    return valid[0].as_py() if len(valid) else None


def _has_point(text: pa.StringArray) -> bool:
    """Whether one of the first cells has one: no cast to whole numbers need then be tried."""
    return any("." in cell for cell in text.slice(0, _PEEKED).to_pylist() if cell)
