"""Plain: CSV (RFC 4180) record by record with physical lines: slow, to name what is wrong.

Splits exactly as ``pyarrow.csv`` does, which reads the file when nothing is wrong: a quote opens
only at the beginning of a field; what follows a closing quote belongs to the field as it is; CRLF,
LF and a lone CR end a record; empty lines are skipped unless there is one column only.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from registry.errors import PROBLEMS_SHOWN, RowProblem, received_text
from registry.tabular.errors import TabularError
from registry.tabular.source import open_text

RECORD_MAX_BYTES = 8 << 20
# Possessive: a doubled quote is never taken for a closing one, and time stays linear.
_FIELD = re.compile(r'"([^"]*+(?:""[^"]*+)*+)("?)([^,\r\n]*)|([^,\r\n]*)')
_QUOTED_REST = re.compile(r'[^"]*+(?:""[^"]*+)*+"[^,\r\n]*')


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the 1-based physical ``line`` it begins on, its cells (None: unquoted empty)."""

    line: int
    cells: list[str | None]


@dataclass(frozen=True, slots=True)
class CsvFile:
    """Where CSV text comes from; every pass begins at its first byte."""

    file: BinaryIO
    is_gzip: bool
    max_bytes: int

    def lines(self) -> Iterator[str]:
        """Physical lines with their ends; raises ``bad-encoding`` naming the line."""
        stream = open_text(
            self.file, is_gzip=self.is_gzip, max_bytes=self.max_bytes, refuse_nul=False
        )
        buffered = io.BufferedReader(stream, 1 << 16)
        text = io.TextIOWrapper(buffered, encoding="utf-8", errors="surrogateescape", newline="")
        number = 0
        try:
            while line := text.readline(RECORD_MAX_BYTES):
                number += 1
                _check_encoding(line, number)
                if line[-1] not in "\r\n" and len(line) == RECORD_MAX_BYTES:
                    raise _too_long(number)
                yield line
        finally:
            text.detach()


def _check_encoding(line: str, number: int) -> None:
    if "\0" in line:
        raise _nul(number)
    if line.isascii():
        return
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as fault:
        text = line[max(0, fault.start - 10) : fault.start + 10]
        near = received_text(text.encode("utf-8", "backslashreplace").decode())
        raise TabularError(
            "bad-encoding",
            f"Line {number} is not UTF-8 (character {fault.start + 1} of the line)",
            problems=(),
            line=number,
            column=None,
            character=fault.start + 1,
            near=near,
        ) from None


def _nul(line: int) -> TabularError:
    return TabularError("bad-encoding", f"Line {line} holds a NUL byte", line=line, column=None)


def _too_long(line: int) -> TabularError:
    limit = RECORD_MAX_BYTES >> 20
    return TabularError(
        "record-too-long",
        f"The record that begins on line {line} is longer than {limit} MiB",
        line=line,
        column=None,
    )


def records(lines: Iterable[str], *, keep_empty: bool) -> Iterator[Record]:
    """The records of physical lines; ``keep_empty`` makes an empty line a record of one null.

    Raises ``unclosed-quote`` with the line on which the quoted field begins.
    """
    source = iter(lines)
    number = 0
    for line in source:
        number += 1
        begin, parts, size = number, [line], len(line)
        is_open = '"' in line and _ends_open(line, is_open=False)
        while is_open:
            more = next(source, None)
            if more is None:
                raise _unclosed(begin, line)
            number, size = number + 1, size + len(more)
            parts.append(more)
            if size > RECORD_MAX_BYTES:
                raise _too_long(begin)
            is_open = '"' not in more or _ends_open(more, is_open=True)
        cells = split("".join(parts))
        if cells != [None] or keep_empty:
            yield Record(begin, cells)


def split(record: str) -> list[str | None]:
    """The cells of one whole record; None for an unquoted empty one."""
    body = _without_end(record)
    if '"' not in body:
        return [cell or None for cell in body.split(",")]
    cells: list[str | None] = []
    at = 0
    while True:
        cell, at = _field(body, at)
        cells.append(cell)
        if at >= len(body):
            return cells
        at += 1


def _without_end(record: str) -> str:
    if record.endswith("\r\n"):
        return record[:-2]
    return record[:-1] if record[-1:] in ("\r", "\n") else record


def _field(body: str, at: int) -> tuple[str | None, int]:
    match = _FIELD.match(body, at)
    assert match is not None  # the second alternative matches the empty text
    quoted, _, rest, plain = match.groups()
    cell = plain or None if quoted is None else quoted.replace('""', '"') + rest
    return cell, match.end()


def _ends_open(line: str, *, is_open: bool) -> bool:
    """Whether a quoted field is open at the end of the line, given whether one is at its start."""
    at = 0
    if is_open:
        match = _QUOTED_REST.match(line)
        if match is None:
            return True
        at = match.end() + 1
    while at < len(line):
        match = _FIELD.match(line, at)
        assert match is not None  # the second alternative matches the empty text
        if match.group(1) is not None and not match.group(2):
            return True
        at = match.end() + 1
    return False


def _unclosed(line: int, text: str) -> TabularError:
    near = received_text(text[text.rfind('"') :].strip())
    return TabularError(
        "unclosed-quote",
        f"A quote that is opened in the record on line {line} is never closed",
        line=line,
        column=None,
        near=near,
    )


def rows_of(source: CsvFile, width: int) -> Iterator[tuple[int, Record]]:
    """The rows below the header with their 0-based numbers, ragged ones included."""
    found = records(source.lines(), keep_empty=width == 1)
    next(found, None)
    yield from enumerate(found)


def lines_of(source: CsvFile, width: int, rows: Iterable[int]) -> dict[int, int]:
    """The physical line on which each of these rows begins; stops behind the last of them."""
    wanted = set(rows)
    found: dict[int, int] = {}
    for row, record in rows_of(source, width):
        if row in wanted:
            found[row] = record.line
            if len(found) == len(wanted):
                break
    return found


def ragged_problems(source: CsvFile, names: tuple[str, ...]) -> tuple[list[RowProblem], int]:
    """The first 100 rows of a wrong width and the count of all."""
    problems: list[RowProblem] = []
    count = 0
    for row, record in rows_of(source, len(names)):
        if len(record.cells) != len(names):
            count += 1
            if len(problems) < PROBLEMS_SHOWN:
                problems.append(ragged(row, record, len(names)))
    return problems, count


def ragged(row: int, record: Record, width: int) -> RowProblem:
    """The problem of one row that has another number of fields than the header."""
    return RowProblem(
        row, None, "ragged-row", _fields(width), _fields(len(record.cells)), record.line
    )


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"
