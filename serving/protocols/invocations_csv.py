"""Plain: CSV as SageMaker has it: cells in signature order, with a header if there is one."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry.errors import InvalidField, InvalidRows, MalformedBody
from registry.signature.types import Signature
from registry.signature.validate import Validated, validate_columns
from registry.tabular import TabularError, read_csv_cells
from serving.protocols.base import Limits

LINE_END = "\n"
_BOM = b"\xef\xbb\xbf"


def read_csv(body: bytes, signature: Signature, limits: Limits) -> Validated:
    """Rows in signature order, or below a first line that holds the names of the columns.

    Raises MalformedBody for text that is no table, InvalidRows for lines of another width,
    InvalidField for too many rows.
    """
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise MalformedBody("The body is empty; CSV was expected.")
    names = signature.input_names
    has_header = _has_header(body, names)
    header = b"" if has_header else _header(names)
    cap = limits.body_bytes + len(header)
    try:
        cells = read_csv_cells(io.BytesIO(header + body), signature.inputs, max_bytes=cap)
    except TabularError as error:
        raise _refusal(error, has_header) from None
    if cells.n_rows > limits.rows:
        text = f"A request may have {limits.rows} rows at most; a batch job takes any number."
        raise InvalidField(text)
    lines = cells.lines if has_header else _OneLess(cells.lines)
    return validate_columns(signature, cells.columns, lines=lines)


def _has_header(body: bytes, names: tuple[str, ...]) -> bool:
    first = body.lstrip(b"\r\n").splitlines()[0].decode("utf-8", "replace")
    return sorted(next(csv.reader([first]), [])) == sorted(names)


def _header(names: tuple[str, ...]) -> bytes:
    """Names hold neither quotes nor line breaks, but maybe commas."""
    return (",".join(f'"{name}"' for name in names) + LINE_END).encode()


class _OneLess(Sequence[int]):
    """Physical lines of a text that had a header put before it."""

    def __init__(self, lines: Sequence[int]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: Any) -> Any:
        return self._lines[row] - 1


def _refusal(error: TabularError, has_header: bool) -> InvalidRows | InvalidField | MalformedBody:
    """The answer to text that cannot be read as a table."""
    if not error.problems:
        note = "" if has_header else " Lines are counted from a header, which was not sent."
        return MalformedBody(f"{error}{note}")
    problems = [
        problem if has_header or problem.line is None else replace(problem, line=problem.line - 1)
        for problem in error.problems
    ]
    bad = len({problem.row for problem in problems})
    return InvalidRows(problems, count=error.count, bad_rows=max(bad, error.count), rows=None)
