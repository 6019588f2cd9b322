"""Plain: why tabular bytes are refused: one error, and the table of its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.errors import PROBLEMS_SHOWN, CheckRefused, RowProblem

# reason -> (what was found, what to do about it). The reference page lists them from here.
REASONS: dict[str, tuple[str, str]] = {
    "bad-rows": (
        "some cells do not fit the type of their column",
        "correct the cells that are named",
    ),
    "ragged-rows": (
        "some lines have another number of fields than the header",
        "quote fields that hold a comma or a line break, and give every line all its fields",
    ),
    "empty-file": ("the file is empty", "send a file with a header and rows"),
    "no-header": (
        "the first line is no header",
        "put the column names, separated by commas, into the first line",
    ),
    "empty-column-name": ("a column has no name", "name every column"),
    "duplicate-column": ("two columns have the same name", "give every column its own name"),
    "unknown-column": (
        "a column that the declared columns do not have",
        "leave the column out, or use the declared name",
    ),
    "missing-column": ("a declared column is not in the file", "add the column"),
    "bad-encoding": ("the text is not UTF-8, or holds a NUL byte", "save the file as UTF-8"),
    "unclosed-quote": (
        "a quoted field is never closed",
        "close the quote; a quote inside a quoted field is written twice",
    ),
    "record-too-long": (
        "one record is longer than the limit",
        "look for a quote that is not closed near the line that is named",
    ),
    "mixed-types": (
        "a column holds values of different JSON types",
        "use one type per column, and null where a value is missing",
    ),
    "malformed-json": ("a line or the document is not strict JSON", "correct what is named"),
    "nested-values": (
        "a column holds lists or objects",
        "give every value a column of its own",
    ),
    "no-offset": (
        "a time column has no offset from UTC",
        "give the times a zone, such as UTC, before writing the file",
    ),
    "loses-precision": (
        "a column's type cannot be kept without loss",
        "write the column as text, or in a type that is kept",
    ),
    "type-not-supported": (
        "a column has a type that is not kept here",
        "write the column as a number, text, boolean, date or time",
    ),
    "malformed-file": ("the file cannot be read in its format", "write the file again"),
    "unknown-format": (
        "the file is in none of the known formats",
        "send CSV, CSV.gz, JSONL, JSON, Parquet or an Arrow stream",
    ),
    "gzip-bomb": (
        "the compressed file grows beyond measure",
        "send the file uncompressed, or in parts",
    ),
    "too-large": ("the data is over the limit", "send it in parts, or as Parquet"),
}


class TabularError(CheckRefused):
    """Tabular bytes that are not taken.

    ``problems`` are the first 100 refused cells or rows by row and column and ``count`` counts
    all of them; both are empty where the file as a whole is meant. ``evidence`` then names
    ``line`` (1-based, physical), ``column`` and ``row`` (0-based) where they are known.
    """

    def __init__(
        self,
        reason: str,
        found: str,
        *,
        problems: Sequence[RowProblem] = (),
        count: int | None = None,
        **evidence: Any,
    ) -> None:
        remedy = REASONS[reason][1]
        super().__init__(
            reason,
            f"{found}. What to do: {remedy}.",
            tuple(problems[:PROBLEMS_SHOWN]),
            **evidence,
        )
        self.count = len(problems) if count is None else count

    def errors(self, *, confidential: bool = False) -> list[dict[str, Any]]:
        """What is wrong as JSON objects with ``line`` and ``column``; never an empty list."""
        if self.problems:
            return [p.to_json(confidential=confidential) for p in self.problems]
        shown: dict[str, Any] = {
            key: self.evidence[key] for key in ("row", "line", "column") if key in self.evidence
        }
        return [{**shown, "code": self.reason, "detail": str(self)}]
