"""Plain: the rules of a dataset, and how a version stands to them by what is known of its rows.

Rules are a JSON object, each member optional::

    {"rows": {"min": 1, "max": 1000000},
     "columns": {"age": {"type": "int64", "max_null_share": 0.05, "min": 0, "max": 120}},
     "other_columns": false}

Each column that is named must be there. ``max_null_share`` is a share of the rows, 0 to 1. ``min``
and ``max`` are inclusive; of a column of dates or times they are texts as ISO 8601 has them.
``other_columns`` false forbids columns that are not named. Nothing is read again: columns and
figures are those that were found when the rows came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from registry.errors import InvalidField
from registry.signature.dtypes import DTYPES

COLUMNS_MAX = 4_096
_MEMBERS = ("rows", "columns", "other_columns")
_BOUNDS = ("min", "max")
_OF_FIGURES = ("max_null_share", *_BOUNDS)
_OF_COLUMN = ("type", *_OF_FIGURES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rule against a version. ``rule`` is its place, such as ``columns/age/max``.

    ``found`` is null where nothing could be found, and where cells are not to be shown.
    """

    rule: str
    expected: Any
    found: Any
    passed: bool
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As evidence and answers have it."""
        return asdict(self)


def checked_rules(rules: object, *, pointer: str = "/rules") -> dict[str, Any]:
    """The rules as they are kept. Raises InvalidField with the pointer to what is wrong."""
    members = _object(rules, _MEMBERS, pointer)
    checked: dict[str, Any] = {}
    if "rows" in members:
        checked["rows"] = _checked_rows(members["rows"], f"{pointer}/rows")
    if "columns" in members:
        checked["columns"] = _checked_columns(members["columns"], f"{pointer}/columns")
    if "other_columns" in members:
        if not isinstance(members["other_columns"], bool):
            raise InvalidField("true or false was expected.", pointer=f"{pointer}/other_columns")
        checked["other_columns"] = members["other_columns"]
    return checked


def outcomes_of(
    rules: Mapping[str, Any],
    *,
    rows: int,
    columns: Sequence[Mapping[str, Any]],
    profile: Sequence[Mapping[str, Any]],
    hides_cells: bool = False,
) -> list[Outcome]:
    """How a version stands to each of the checked rules; empty without rules.

    ``columns`` are signature columns as JSON, ``profile`` what ``Profiler`` found, empty for rows
    that nobody has looked at yet: what needs figures has failed then.
    """
    return list(_outcomes(rules, rows, columns, profile, hides_cells))


def needs_figures(rules: Mapping[str, Any]) -> bool:
    """Whether anything of the checked rules can only be told by a profile."""
    wanted = rules.get("columns", {}).values()
    return any(key in of_column for of_column in wanted for key in _OF_FIGURES)


def _outcomes(
    rules: Mapping[str, Any],
    rows: int,
    columns: Sequence[Mapping[str, Any]],
    profile: Sequence[Mapping[str, Any]],
    hides_cells: bool,
) -> Iterator[Outcome]:
    for bound, limit in rules.get("rows", {}).items():
        yield Outcome(f"rows/{bound}", limit, rows, _is_within(bound, rows, limit))
    types = {column["name"]: column["type"] for column in columns}
    figures = {figure["name"]: figure for figure in profile}
    for name, wanted in rules.get("columns", {}).items():
        yield from _of_column(name, wanted, types, figures.get(name), rows, hides_cells)
    if rules.get("other_columns") is False:
        others = [name for name in types if name not in rules.get("columns", {})]
        yield Outcome("other_columns", False, others[:20], not others)


def _of_column(
    name: str,
    wanted: Mapping[str, Any],
    types: Mapping[str, str],
    figures: Mapping[str, Any] | None,
    rows: int,
    hides_cells: bool,
) -> Iterator[Outcome]:
    place, type_ = f"columns/{name}", types.get(name)
    if type_ is None:
        yield Outcome(place, "a column", None, False, "There is no such column.")
        return
    yield Outcome(place, "a column", "a column", True)
    if "type" in wanted:
        yield Outcome(f"{place}/type", wanted["type"], type_, type_ == wanted["type"])
    asked = [key for key in _OF_FIGURES if key in wanted]
    for key in asked:
        rule, limit = f"{place}/{key}", wanted[key]
        if figures is None:
            yield Outcome(rule, limit, None, False, "No figures of the column are known.")
        elif key == "max_null_share":
            share = figures["nulls"] / rows if rows else 0.0
            yield Outcome(rule, limit, share, share <= limit)
        else:
            yield _of_bound(rule, key, limit, figures, rows, hides_cells)


def _of_bound(
    rule: str, bound: str, limit: Any, figures: Mapping[str, Any], rows: int, hides_cells: bool
) -> Outcome:
    found = figures.get(bound)
    if found is None:
        is_empty = figures["nulls"] == rows
        note = "No cell has a value." if is_empty else "The column has no least and no greatest."
        return Outcome(rule, limit, None, is_empty, note)
    (kind, wanted), (kind_found, value) = _comparable(limit), _comparable(found)
    if kind != kind_found or kind is None:
        return Outcome(rule, limit, None, False, f"The column has the type {figures['type']}.")
    return Outcome(rule, limit, None if hides_cells else found, _is_within(bound, value, wanted))


def _is_within(bound: str, found: Any, limit: Any) -> bool:
    return bool(found >= limit if bound == "min" else found <= limit)


def _comparable(value: Any) -> tuple[type | None, Any]:
    """What compares with its like: a number, or a date or time in UTC; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float, value
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None, value
    return datetime, moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- what is written as rules -------------------------------------------------------------------


def _checked_rows(rows: object, pointer: str) -> dict[str, int]:
    bounds = _object(rows, _BOUNDS, pointer)
    for bound, count in bounds.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**63:
            raise InvalidField("A count of rows was expected.", pointer=f"{pointer}/{bound}")
    _require_order(bounds, pointer)
    return bounds


def _checked_columns(columns: object, pointer: str) -> dict[str, Any]:
    if not isinstance(columns, Mapping) or len(columns) > COLUMNS_MAX:
        found = f"An object of at most {COLUMNS_MAX} columns was expected."
        raise InvalidField(found, pointer=pointer)
    return {
        name: _checked_column(wanted, f"{pointer}/{_escaped(name)}")
        for name, wanted in columns.items()
    }


def _checked_column(wanted: object, pointer: str) -> dict[str, Any]:
    members = _object(wanted, _OF_COLUMN, pointer)
    if "type" in members and not _is_type(members["type"]):
        known = f"One of {', '.join(DTYPES)} was expected."
        raise InvalidField(known, pointer=f"{pointer}/type")
    share = members.get("max_null_share", 0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        found = "A share from 0 to 1 was expected."
        raise InvalidField(found, pointer=f"{pointer}/max_null_share")
    for bound in _BOUNDS:
        if bound in members and _comparable(members[bound])[0] is None:
            found = "A number was expected, or a date or time as 2026-01-31 and its like."
            raise InvalidField(found, pointer=f"{pointer}/{bound}")
    _require_order(members, pointer)
    return members


def _is_type(value: object) -> bool:
    return isinstance(value, str) and value in DTYPES


def _require_order(bounds: Mapping[str, Any], pointer: str) -> None:
    if "min" not in bounds or "max" not in bounds:
        return
    (kind, low), (kind_high, high) = _comparable(bounds["min"]), _comparable(bounds["max"])
    if kind != kind_high or low > high:
        raise InvalidField("The least value is not below the greatest.", pointer=f"{pointer}/max")


def _object(value: object, known: Sequence[str], pointer: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField("An object was expected.", pointer=pointer)
    for key in value:
        if key not in known:
            raise InvalidField(
                f"“{str(key)[:60]}” is none of {', '.join(known)}.",
                pointer=f"{pointer}/{_escaped(str(key)[:60])}",
            )
    return dict(value)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
