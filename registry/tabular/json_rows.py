"""Plain: JSON Lines and JSON documents to rows: strict, with line numbers, wide integers exact.

JSON Lines as https://jsonlines.org says: UTF-8, one value per line; empty lines are skipped. A
document is an array of objects, or an object with ``columns`` (or ``instances``) as scoring takes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from registry import strict_json
from registry.errors import DomainError, RowProblem, received_text
from registry.tabular.csv_exact import RECORD_MAX_BYTES
from registry.tabular.errors import TabularError
from registry.tabular.source import open_text

DOCUMENT_MAX_BYTES = 64 << 20
BATCH_ROWS = 1 << 16
BATCH_BYTES = 32 << 20
WIDE = float(2**63)


@dataclass(slots=True)
class RowBatch:
    """Rows as objects; ``first`` is the number of the first, ``lines`` their physical lines."""

    first: int
    rows: list[dict[str, Any]]
    lines: list[int | None]


def jsonl_rows(file: BinaryIO, *, max_bytes: int) -> Iterator[RowBatch]:
    """The rows of JSON Lines in bounded batches; raises TabularError naming the line."""
    stream = open_text(file, is_gzip=False, max_bytes=max_bytes, refuse_nul=False)
    reader = io.BufferedReader(stream, 1 << 18)
    batch, size, number = RowBatch(0, [], []), 0, 0
    while line := reader.readline(RECORD_MAX_BYTES):
        number += 1
        if not line.endswith(b"\n") and len(line) == RECORD_MAX_BYTES:
            raise _refused("record-too-long", f"Line {number} is too long", number)
        if not line.strip():
            continue
        batch.rows.append(_row(line, batch.first + len(batch.rows), number))
        batch.lines.append(number)
        size += len(line)
        if len(batch.rows) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = RowBatch(batch.first + len(batch.rows), [], []), 0
    if not number:
        raise TabularError("empty-file", "The file is empty", line=1, column=None)
    if batch.rows:
        yield batch


def _row(line: bytes, row: int, number: int) -> dict[str, Any]:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError as fault:
        raise _malformed(line, number, str(fault)) from None
    if type(parsed) is not dict:
        problem = RowProblem(row, None, "not-an-object", "an object", _near(line), number)
        found = f"Line {number} is no JSON object"
        raise TabularError("malformed-json", found, problems=[problem], line=number, column=None)
    # orjson takes the last of duplicate keys, and wide integers as floats: look twice then.
    if line.count(b'":') != len(parsed) or any(
        type(value) is float and not -WIDE < value < WIDE for value in parsed.values()
    ):
        return _strictly(line, number)
    return parsed


def _strictly(line: bytes, number: int) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = strict_json.loads(line, max_bytes=RECORD_MAX_BYTES)
    except DomainError as fault:
        raise _malformed(line, number, str(fault)) from None
    return parsed


def _malformed(line: bytes, number: int, fault: str) -> TabularError:
    try:
        line.decode()
    except UnicodeDecodeError:
        return _refused("bad-encoding", f"Line {number} is not UTF-8", number)
    return _refused("malformed-json", f"Line {number} is not strict JSON: {fault[:120]}", number)


def _refused(reason: str, found: str, line: int) -> TabularError:
    return TabularError(reason, found, line=line, column=None)


def _near(line: bytes) -> str:
    return received_text(line.decode("utf-8", "replace").strip())


def document_rows(file: BinaryIO, *, max_bytes: int) -> Iterator[RowBatch]:
    """The rows of one JSON document; it is read whole, so it is capped at 64 MiB."""
    limit = min(max_bytes, DOCUMENT_MAX_BYTES)
    file.seek(0)
    body = file.read(limit + 1)
    if len(body) > limit:
        found = f"The JSON document is over the limit of {limit} bytes; JSON Lines may be longer"
        raise TabularError("too-large", found, limit_bytes=limit)
    if not body.strip():
        raise TabularError("empty-file", "The file is empty", line=1, column=None)
    try:
        parsed = strict_json.loads(body.removeprefix(b"\xef\xbb\xbf"), max_bytes=limit)
    except DomainError as fault:
        raise TabularError("malformed-json", f"The document is not strict JSON: {fault}") from None
    rows = _rows_of(parsed)
    for first in range(0, len(rows), BATCH_ROWS):
        part = rows[first : first + BATCH_ROWS]
        yield RowBatch(first, part, [None] * len(part))


def _rows_of(parsed: Any) -> list[dict[str, Any]]:
    if isinstance(parsed, dict) and set(parsed) == {"columns"}:
        return _from_columns(parsed["columns"])
    if isinstance(parsed, dict) and set(parsed) == {"instances"}:
        parsed = parsed["instances"]
    if not isinstance(parsed, list):
        found = "The document is neither an array of objects nor an object with `columns`"
        raise TabularError("malformed-json", found)
    for row, value in enumerate(parsed):
        if not isinstance(value, dict):
            problem = RowProblem(row, None, "not-an-object", "an object", received_text(str(value)))
            raise TabularError("malformed-json", f"Row {row} is no object", problems=[problem])
    return parsed


def _from_columns(columns: Any) -> list[dict[str, Any]]:
    if not isinstance(columns, dict) or not all(isinstance(v, list) for v in columns.values()):
        raise TabularError("malformed-json", "`columns` is not an object of lists")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise TabularError("malformed-json", "The lists in `columns` differ in length")
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
