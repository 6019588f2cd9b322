"""Plain: the signature and the example rows that an MLflow folder brings, in our own terms.

Followed: MLflow's ModelSignature as JSON, and the input examples that ``save_model`` writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from registry import strict_json
from registry.errors import DomainError

ROWS_MAX = 1000
CELLS_MAX = 100_000
SIGNATURE_MAX_BYTES = 1 << 20
# MLflow's names of types to ours; what is not here has no like among our columns.
TYPES = {
    "boolean": "boolean",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "string",
    "datetime": "datetime",
}
_TEXT_OR_NAN = re.compile(rb'("(?:\\.|[^"\\])*")|NaN')
Member = Callable[[object], bytes | None]


class _Unlike(Exception):
    """Something that is not taken over; ``str()`` is a note for whoever registers."""


def taken_over(told: dict[str, Any], member: Member) -> dict[str, Any]:
    """What can be used of the folder's signature and example; None and a note for what cannot."""
    notes: list[str] = []
    taken: dict[str, Any] = {"signature": None, "example": None, "notes": notes}
    for name, read in (
        ("signature", lambda: _signature(told.get("signature"))),
        ("example", lambda: _example(told.get("saved_input_example_info"), member)),
    ):
        try:
            taken[name] = read()
        except _Unlike as note:
            notes.append(str(note))
        except (DomainError, AttributeError, LookupError, TypeError, ValueError):
            notes.append(f"The folder's {name} could not be read and is not used.")
    return taken


def _signature(declared: Any) -> dict[str, Any] | None:
    """The inputs as our declared signature; the outputs are the model's own to tell."""
    if not isinstance(declared, dict) or not declared.get("inputs"):
        return None
    columns = strict_json.loads(declared["inputs"].encode(), max_bytes=SIGNATURE_MAX_BYTES)
    if not isinstance(columns, list) or not columns:
        return None
    return {"inputs": [_column(column) for column in columns]}


def _column(column: dict[str, Any]) -> dict[str, Any]:
    name, kind = column.get("name"), TYPES.get(str(column.get("type")))
    if not isinstance(name, str) or kind is None:
        raise _Unlike("The folder's signature has inputs that are no named columns; not used.")
    return {"name": name, "type": kind, "nullable": column.get("required", True) is False}


def _example(told: Any, member: Member) -> list[dict[str, Any]] | None:
    """The rows as objects; a matrix has the columns x0, x1, ..."""
    if not isinstance(told, dict):
        return None
    body = member(told.get("artifact_path"))
    if body is None:
        raise _Unlike("The folder's input example is not there, or too long; not used.")
    # MLflow writes missing numbers as NaN, which is no JSON.
    plain = _TEXT_OR_NAN.sub(lambda found: found[1] or b"null", body)
    parsed = strict_json.loads(plain, max_bytes=2 * len(body))
    if isinstance(parsed, dict) and {"columns", "data"} <= set(parsed):
        columns, data = parsed["columns"], parsed["data"]
    else:
        data = parsed.get("inputs") if isinstance(parsed, dict) else parsed
        columns = None
    if not (isinstance(data, list) and data and all(isinstance(row, list) for row in data)):
        raise _Unlike("The folder's input example is no table of plain values; not used.")
    columns = [None] * len(data[0]) if columns is None else columns
    if not all(isinstance(name, str) for name in columns):
        columns = [f"x{i}" for i in range(len(columns))]
    if len(data) > ROWS_MAX or len(data) * len(columns) > CELLS_MAX:
        data = data[: min(ROWS_MAX, CELLS_MAX // len(columns))]
    rows = [dict(zip(columns, row, strict=True)) for row in data]
    if any(isinstance(cell, dict | list) for row in rows for cell in row.values()):
        raise _Unlike("The folder's input example is no table of plain values; not used.")
    return rows or None
