"""Plain: JSON bodies read straight into columns, by a decoder made for a signature.

msgspec reads a row in a fraction of the time that a dict of it takes, checks kinds and ranges on
the way, and stops at the first thing that it does not like. So this reader only ever says yes:
what it is not sure of it leaves to the strict reader and the one validator, who find every
problem and word it. A test holds the two together: what is taken here is taken there, with equal
values.

A protocol says with a ``Form`` where its rows stand. What it parses in its own way, such as one
list per tensor, goes through ``registry.signature.lean.lean_types(signature).converted``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from registry import strict_json
from registry.signature.lean import LeanColumns, LeanTypes, lean_types
from registry.signature.types import Signature

_Scalar = int | float | str | bool | None
Shape = Literal["rows", "table", "split"]


@dataclass(frozen=True, slots=True)
class Form:
    """The members of a body that may hold its rows, each with its shape; exactly one has to stand.

    ``rows`` is a list of objects or of lists in signature order, ``table`` an object of lists by
    column, ``split`` pandas' ``{"columns": [...], "data": [[...]], "index": [...]?}``. Beside it
    ``params`` may stand, and ``outputs`` where the protocol has it.
    """

    sources: tuple[tuple[str, Shape], ...]
    has_outputs: bool = False


NATIVE = Form((("instances", "rows"), ("columns", "table")), has_outputs=True)


@dataclass(frozen=True, slots=True)
class FastRequest:
    """What a body holds: good rows, the names under ``outputs``, and ``params`` as they came.

    ``source`` is the member that held the rows; ``outputs`` is None where there is no such member.
    """

    source: str
    columns: LeanColumns
    outputs: list[str] | None
    params: Mapping[str, Any]


def read_request(body: bytes, signature: Signature, form: Form = NATIVE) -> FastRequest | None:
    """The request, when it is surely good: strict JSON, members known, every cell as declared.

    None says nothing about the body. The size of the body, the number of rows, and whether the
    model has the outputs and params is left to the caller.
    """
    for roomy in (False, True):
        reader = _reader(signature, form, roomy)
        if reader is None:
            return None
        try:
            return reader.read(body)
        except msgspec.ValidationError:  # well-formed so far: perhaps the roomy types take it
            continue
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    return None


@lru_cache(maxsize=2048)
def _reader(signature: Signature, form: Form, roomy: bool) -> _Reader | None:
    types = lean_types(signature, roomy=roomy)
    if types is None:
        return None
    try:
        return _Reader(types, form, roomy)
    except ValueError:  # msgspec has no fields with a quotation mark in their name
        return None


class _Taken(NamedTuple):
    """Cells by column in signature order, the number of rows, and of the names in their JSON."""

    columns: Sequence[Sequence[Any]]
    n_rows: int
    names: int


class _Reader:
    """A decoder of whole bodies. Roomy: members of nullable columns may be left out."""

    def __init__(self, types: LeanTypes, form: Form, roomy: bool) -> None:
        self._types = types
        self._form = form
        self._width = len(types.types)
        self._may_lack = roomy and any(c.nullable for c in types.signature.inputs)
        fields = [f"c{i}" for i in range(self._width)]
        self._of_row: Callable[[Any], Any] = attrgetter(*fields)
        self._of_column = [attrgetter(name) for name in fields]
        self._row = _row_type(types, roomy)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._body_type(roomy)).decode
        self._takers: dict[Shape, Callable[[Any], _Taken | None]] = {
            "rows": self._of_rows,
            "table": self._of_table,
            "split": self._of_split,
        }

    def read(self, body: bytes) -> FastRequest | None:
        """The request or None. Raises what msgspec raises."""
        found = self._decode(body)
        sources = [s for s in self._form.sources if getattr(found, s[0]) is not UNSET]
        if len(sources) != 1:
            return None
        ((source, shape),) = sources
        taken = self._takers[shape](getattr(found, source))
        if taken is None:
            return None
        names = 1 + taken.names
        params, outputs = {}, None
        if found.params is not UNSET:
            params = found.params
            names += 1 + len(params)
        if self._form.has_outputs and found.outputs is not UNSET:
            outputs = found.outputs
            names += 1
        if not strict_json.surely_unique(body, names):
            return None
        columns = self._types.settled(taken.columns, taken.n_rows)
        return None if columns is None else FastRequest(source, columns, outputs, params)

    def _of_rows(self, rows: list[Any]) -> _Taken | None:
        if not rows:
            return _Taken([()] * self._width, 0, 0)
        try:
            if type(rows[0]) is not self._row:
                return _Taken(list(zip(*rows, strict=True)), len(rows), 0)
            columns = self._of_objects(rows)
        except (AttributeError, TypeError):  # both kinds: a list has no members, an object no items
            return None
        if self._may_lack:
            return self._with_gaps(columns, len(rows))
        return _Taken(columns, len(rows), len(rows) * self._width)

    def _of_objects(self, rows: list[Any]) -> Sequence[Sequence[Any]]:
        if len(rows) > 1:
            return [list(map(cells_of, rows)) for cells_of in self._of_column]
        only = self._of_row(rows[0])
        return [(cell,) for cell in only] if self._width > 1 else [(only,)]

    def _with_gaps(self, columns: Sequence[Sequence[Any]], n_rows: int) -> _Taken:
        absent = sum(cell is UNSET for cells in columns for cell in cells)
        full = [[None if cell is UNSET else cell for cell in cells] for cells in columns]
        return _Taken(full, n_rows, n_rows * self._width - absent)

    def _of_table(self, table: Any) -> _Taken | None:
        columns = [cells_of(table) for cells_of in self._of_column]
        given = [cells for cells in columns if cells is not UNSET]
        n_rows = len(given[0]) if given else 0
        if not given or any(len(cells) != n_rows for cells in given):
            return None
        if len(given) < len(columns):
            columns = [[None] * n_rows if cells is UNSET else cells for cells in columns]
        return _Taken(columns, n_rows, len(given))

    def _of_split(self, split: Any) -> _Taken | None:
        if tuple(split.columns) != self._types.signature.input_names:
            return None
        has_index = split.index is not UNSET
        if has_index and len(split.index) != len(split.data):
            return None
        rows = self._of_rows(split.data)
        return None if rows is None else rows._replace(names=2 + has_index)

    def _body_type(self, roomy: bool) -> Any:
        row: Any = self._row
        listed: Any = tuple.__class_getitem__(self._types.types)
        shapes: dict[Shape, Any] = {
            "rows": list[row | listed],
            "table": _table_type(self._types, roomy),
            "split": _split_type(listed),
        }
        members: list[tuple[str, Any]] = [(name, shapes[s]) for name, s in self._form.sources]
        members.append(("params", dict[str, _Scalar]))
        if self._form.has_outputs:
            members.append(("outputs", Annotated[list[str], msgspec.Meta(min_length=1)]))
        return _struct("Body", [(name, kind | UnsetType, UNSET) for name, kind in members])


def _row_type(types: LeanTypes, roomy: bool) -> Any:
    return _struct("Row", _fields(types, types.types, roomy), _names(types))


def _table_type(types: LeanTypes, roomy: bool) -> Any:
    lists = [list[kind] for kind in types.types]  # type: ignore[valid-type]  # made at run time
    return _struct("Table", _fields(types, lists, roomy), _names(types))


def _split_type(listed: Any) -> Any:
    index = ("index", list[int | str] | UnsetType, UNSET)
    return _struct("Split", [("columns", list[str]), ("data", list[listed]), index])


def _fields(types: LeanTypes, kinds: Sequence[Any], roomy: bool) -> list[Any]:
    """Fields are called ``c0``, ``c1``, ...: names of columns need not be Python's."""
    fields: list[Any] = []
    for i, (kind, column) in enumerate(zip(kinds, types.signature.inputs, strict=True)):
        may_lack = roomy and column.nullable
        fields.append((f"c{i}", kind | UnsetType, UNSET) if may_lack else (f"c{i}", kind))
    return fields


def _names(types: LeanTypes) -> dict[str, str]:
    return {f"c{i}": name for i, name in enumerate(types.signature.input_names)}


def _struct(name: str, fields: list[Any], rename: dict[str, str] | None = None) -> Any:
    return msgspec.defstruct(
        name,
        fields,
        rename=rename,
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,  # nothing here is part of a cycle: the garbage collector need not look at it
    )
