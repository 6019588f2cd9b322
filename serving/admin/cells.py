"""One field for each input of a signature, and the JSON that what is typed into them means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.errors import RowProblem
from registry.signature.cells import scalar_json
from registry.signature.json_schema import example_row
from registry.signature.types import Column, Param, Signature

# A number as JSON writes it: it goes on as it was typed, so that not a digit is lost.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SELECT_MAX = 200


@dataclass(slots=True)
class CellField:
    """A field of the form. ``key`` is its name there: column names may hold anything.

    ``kind`` is ``number``, ``text``, ``date``, ``datetime``, ``choice`` or ``json``; ``choices``
    are (value, label).
    """

    key: str
    name: str
    type: str
    kind: str
    nullable: bool
    value: str = ""
    is_null: bool = False
    choices: list[tuple[str, str]] = field(default_factory=list)
    hint: str = ""
    is_param: bool = False
    problems: list[RowProblem] = field(default_factory=list)

    @property
    def is_left_out(self) -> bool:
        """Whether nothing was typed. An empty text is a text; null is said by its own box."""
        may_be_empty = self.kind == "text" or ("", "") in self.choices
        return not (self.is_null or may_be_empty or self.value.strip())

    def token(self) -> str:
        """What was typed, as JSON; what it is worth is judged by the validator."""
        if self.is_null:
            return "null"
        if self.kind == "json":
            return self.value.strip()
        if self.type == "boolean" and self.value in ("true", "false"):
            return self.value
        if self._is_number() and _NUMBER.fullmatch(self.value.strip()):
            return self.value.strip()
        return json.dumps(self.value, ensure_ascii=False)

    def _is_number(self) -> bool:
        return self.type.startswith(("int", "uint", "float"))


def fields_of(
    signature: Signature,
    *,
    typed: Mapping[str, str] | None = None,
    example: Mapping[str, Any] | None = None,
    limit: int = 80,
) -> list[CellField]:
    """The fields in signature order, parameters last; none where there are more than ``limit``.

    They hold what was ``typed``, else the ``example`` row (JSON values), else an invented row.
    """
    if len(signature.inputs) > limit:
        return []
    row = {**example_row(signature), **(example or {})}
    fields = [_of_column(f"in{i}", c, row.get(c.name)) for i, c in enumerate(signature.inputs)]
    fields += [_of_param(f"param{i}", p) for i, p in enumerate(signature.params)]
    if typed is not None:
        for one in fields:
            one.value = typed.get(one.key, "")
            one.is_null = one.nullable and bool(typed.get(f"{one.key}-null"))
    return fields


def body_of(fields: list[CellField]) -> bytes:
    """The native protocol's body for one row. Fields in which nothing was typed are left out."""
    row = _object([one for one in fields if not one.is_param])
    params = [one for one in fields if one.is_param]
    rest = f', "params": {_object(params)}' if params else ""
    return f'{{"instances": [{row}]{rest}}}'.encode()


def _object(fields: list[CellField]) -> str:
    members = (
        f"{json.dumps(one.name, ensure_ascii=False)}: {one.token()}"
        for one in fields
        if not one.is_left_out
    )
    return f"{{{', '.join(members)}}}"


def _of_column(key: str, column: Column, value: Any) -> CellField:
    made = CellField(key, column.name, column.type, _kind(column), column.nullable)
    if column.enum is not None and len(column.enum) <= _SELECT_MAX:
        made.choices = [(t, t) for t in (_text(scalar_json(v, column.dtype)) for v in column.enum)]
    elif column.type == "boolean" and column.shape is None:
        made.choices = [("true", "true"), ("false", "false")]
    made.value = json.dumps(value) if made.kind == "json" and value is not None else _text(value)
    made.is_null = column.nullable and value is None
    made.hint = _hint(column)
    return made


def _of_param(key: str, param: Param) -> CellField:
    kind = _KINDS.get(param.dtype.kind, "text")
    made = CellField(key, param.name, param.type, kind, param.default is None, is_param=True)
    if param.type == "boolean":
        made.choices = [("true", "true"), ("false", "false")]
    default = None if param.default is None else scalar_json(param.default, param.dtype)
    made.value, made.is_null = _text(default), default is None
    return made


_KINDS = {
    "integer": "number",
    "float": "number",
    "boolean": "choice",
    "date": "date",
    "datetime": "datetime",
}


def _kind(column: Column) -> str:
    if column.shape is not None:
        return "json"
    if column.enum is not None and len(column.enum) <= _SELECT_MAX:
        return "choice"
    return _KINDS.get(column.dtype.kind, "text")


def _hint(column: Column) -> str:
    if column.shape is not None:
        shape = " × ".join("any" if dim == -1 else str(dim) for dim in column.shape)
        return f"{column.type}, a nested list of {shape}"
    if column.min is not None or column.max is not None:
        low = "…" if column.min is None else _text(scalar_json(column.min, column.dtype))
        high = "…" if column.max is None else _text(scalar_json(column.max, column.dtype))
        return f"{column.type}, {low} to {high}"
    return f"{column.type} with offset" if column.type == "datetime" else column.type


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
