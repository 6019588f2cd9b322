"""Files of rows -> bodies of scoring calls, by what the files are and not by what they hold;
and answers -> files. CSV is RFC 4180: an unquoted empty cell is null, a quoted one the empty text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from modelyard.bodies import Body, BytesSource, FileSource, Joined, Source
from modelyard.errors import UsageError
from modelyard.frames import ipc_stream, parquet_bytes
from modelyard.optional import need
from modelyard.scores import ScoreResult

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
JSON = "application/json"

ACCEPTED = {
    ".csv": CSV,
    ".json": JSON,
    ".arrow": ARROW,
    ".arrows": ARROW,
    ".parquet": PARQUET,
}
_BLANK = b" \t\r\n"


class JsonLines:
    """The lines of a JSONL file with commas between them; blank lines are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size_bytes = sum(len(chunk) for chunk in self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Line by line."""
        comma = b""
        with self._path.open("rb") as file:
            for line in file:
                if row := line.strip(_BLANK):
                    yield comma + row
                    comma = b","


def body_of(path: Path, *, label: str, outputs: Sequence[str] | None) -> Body:
    """The body for a file of rows, streamed from it.

    Its kind is told by the suffix of ``label``, else by its first bytes. ``outputs`` go into a
    JSON body; a table has no place for them.
    """
    source = FileSource(path)
    head = _head(path)
    kind = _kind(label, head)
    if kind in (CSV, ARROW, PARQUET):
        return Body(source, kind)
    asked = b"" if outputs is None else b',"outputs":' + json.dumps(list(outputs)).encode()
    if kind == "jsonl":
        return _instances(Joined([BytesSource(b"["), JsonLines(path), BytesSource(b"]")]), asked)
    if head.startswith(b"["):
        return _instances(source, asked)
    if asked:
        raise UsageError(f"{label!r} is a whole request: write its outputs there, not here.")
    return Body(source, JSON)


def _instances(rows: Source, asked: bytes) -> Body:
    parts = [BytesSource(b'{"instances":'), rows, BytesSource(asked + b"}")]
    return Body(Joined(parts), JSON)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)


def _kind(label: str, head: bytes) -> str:
    suffix = Path(label).suffix.lower()
    if suffix == ".jsonl":
        return "jsonl"
    if suffix in ACCEPTED:
        return ACCEPTED[suffix]
    if head.startswith(b"PAR1"):
        return PARQUET
    if head.startswith(b"\xff\xff\xff\xff"):
        return ARROW
    return JSON if head[:1] in (b"{", b"[") else CSV


def table_of(result: ScoreResult, media_type: str) -> bytes:
    """The answers as a table of one row per row sent."""
    columns = result.columns()
    if media_type == CSV:
        return b"".join(_csv_lines(columns))
    table = need("pyarrow", "Writing this format").table(columns)
    return ipc_stream(table) if media_type == ARROW else parquet_bytes(table)


def _csv_lines(columns: dict[str, list[Any]]) -> Iterator[bytes]:
    yield _csv_line(columns)
    for row in zip(*columns.values(), strict=True):
        yield _csv_line(row)


def _csv_line(cells: Iterable[Any]) -> bytes:
    return (",".join(_csv_cell(cell) for cell in cells) + "\r\n").encode()


def _csv_cell(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = cell if isinstance(cell, str) else json.dumps(cell)
    if text == "" or any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
