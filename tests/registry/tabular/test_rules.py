"""Rules of datasets: what may be written as one, and what comes of each against a version."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import InvalidField
from registry.tabular.rules import checked_rules, outcomes_of

COLUMNS = [
    {"name": "age", "type": "int64"},
    {"name": "city", "type": "string"},
    {"name": "born", "type": "date"},
    {"name": "seen", "type": "datetime"},
]
PROFILE = [
    {"name": "age", "type": "int64", "count": 10, "nulls": 1, "min": 7, "max": 2**53 + 1},
    {"name": "city", "type": "string", "count": 10, "nulls": 10},
    {
        "name": "born",
        "type": "date",
        "count": 10,
        "nulls": 0,
        "min": "1950-01-31",
        "max": "2020-02-29",
    },
    {
        "name": "seen",
        "type": "datetime",
        "count": 10,
        "nulls": 0,
        "min": "2026-01-01T00:00:00Z",
        "max": "2026-01-02T00:00:00.5Z",
    },
]


def outcomes(rules: dict[str, Any], **changes: Any) -> dict[str, bool]:
    values = {"rows": 10, "columns": COLUMNS, "profile": PROFILE, **changes}
    found = outcomes_of(checked_rules(rules), **values)
    return {outcome.rule: outcome.passed for outcome in found}


@pytest.mark.parametrize(
    ("rule", "rules", "passed"),
    [
        ("rows/min", {"rows": {"min": 10}}, True),
        ("rows/min", {"rows": {"min": 11}}, False),
        ("rows/max", {"rows": {"max": 10}}, True),
        ("rows/max", {"rows": {"max": 9}}, False),
        ("columns/age", {"columns": {"age": {}}}, True),
        ("columns/name", {"columns": {"name": {}}}, False),
        ("columns/age/type", {"columns": {"age": {"type": "int64"}}}, True),
        ("columns/age/type", {"columns": {"age": {"type": "float64"}}}, False),
        ("columns/age/max_null_share", {"columns": {"age": {"max_null_share": 0.1}}}, True),
        ("columns/age/max_null_share", {"columns": {"age": {"max_null_share": 0.09}}}, False),
        ("columns/city/max_null_share", {"columns": {"city": {"max_null_share": 1}}}, True),
        ("columns/age/min", {"columns": {"age": {"min": 7}}}, True),
        ("columns/age/min", {"columns": {"age": {"min": 7.5}}}, False),
        ("columns/age/max", {"columns": {"age": {"max": 2**53 + 1}}}, True),
        ("columns/age/max", {"columns": {"age": {"max": 2**53}}}, False),
        ("columns/age/max", {"columns": {"age": {"max": "2026-01-01"}}}, False),
        ("columns/born/min", {"columns": {"born": {"min": "1950-01-31"}}}, True),
        ("columns/born/max", {"columns": {"born": {"max": "2020-02-28"}}}, False),
        ("columns/born/max", {"columns": {"born": {"max": 3000}}}, False),
        ("columns/seen/max", {"columns": {"seen": {"max": "2026-01-02T01:00:00+01:30"}}}, False),
        ("columns/seen/max", {"columns": {"seen": {"max": "2026-01-02T00:00:01Z"}}}, True),
        ("columns/city/min", {"columns": {"city": {"min": 0}}}, True),  # no cell has a value
        ("other_columns", {"columns": {"age": {}}, "other_columns": False}, False),
        ("other_columns", {"other_columns": True}, None),
    ],
)
def test_a_rule_has_one_outcome(rule: str, rules: dict[str, Any], passed: bool | None) -> None:
    assert outcomes(rules).get(rule) is passed


def test_all_named_columns_and_no_others() -> None:
    every = {column["name"]: {} for column in COLUMNS}
    assert outcomes({"columns": every, "other_columns": False})["other_columns"]


def test_a_text_column_with_values_has_no_range() -> None:
    texts = [{"name": "city", "type": "string", "count": 10, "nulls": 2}]
    assert outcomes({"columns": {"city": {"min": 0}}}, profile=texts) == {
        "columns/city": True,
        "columns/city/min": False,
    }


def test_what_needs_figures_fails_without_a_profile() -> None:
    rules = {"columns": {"age": {"type": "int64", "min": 0, "max_null_share": 1}}}
    assert outcomes(rules, profile=[]) == {
        "columns/age": True,
        "columns/age/type": True,
        "columns/age/min": False,
        "columns/age/max_null_share": False,
    }


def test_no_rows_have_no_nulls() -> None:
    none = [{"name": "age", "type": "int64", "count": 0, "nulls": 0}]
    rules = {"columns": {"age": {"max_null_share": 0, "min": 0}}}
    assert all(outcomes(rules, rows=0, profile=none).values())


def test_found_cells_are_left_out_where_they_are_hidden() -> None:
    rules = checked_rules({"columns": {"age": {"min": 8, "max_null_share": 0.5}}})
    found = outcomes_of(rules, rows=10, columns=COLUMNS, profile=PROFILE, hides_cells=True)
    assert [(o.rule, o.found) for o in found] == [
        ("columns/age", "a column"),
        ("columns/age/max_null_share", 0.1),
        ("columns/age/min", None),
    ]


def test_no_rules_have_no_outcomes() -> None:
    assert outcomes({}) == {}


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([], "/rules"),
        ({"row": {}}, "/rules/row"),
        ({"rows": 5}, "/rules/rows"),
        ({"rows": {"min": -1}}, "/rules/rows/min"),
        ({"rows": {"min": 1.5}}, "/rules/rows/min"),
        ({"rows": {"max": True}}, "/rules/rows/max"),
        ({"rows": {"min": 2**63}}, "/rules/rows/min"),
        ({"rows": {"min": 2, "max": 1}}, "/rules/rows/max"),
        ({"columns": []}, "/rules/columns"),
        ({"columns": {"a": 1}}, "/rules/columns/a"),
        ({"columns": {"a": {"typ": "int64"}}}, "/rules/columns/a/typ"),
        ({"columns": {"a": {"type": "number"}}}, "/rules/columns/a/type"),
        ({"columns": {"a": {"type": ["int64"]}}}, "/rules/columns/a/type"),
        ({"columns": {"a": {"max_null_share": 1.1}}}, "/rules/columns/a/max_null_share"),
        ({"columns": {"a": {"max_null_share": True}}}, "/rules/columns/a/max_null_share"),
        ({"columns": {"a": {"min": "low"}}}, "/rules/columns/a/min"),
        ({"columns": {"a": {"min": None}}}, "/rules/columns/a/min"),
        ({"columns": {"a": {"min": 1, "max": "2026-01-01"}}}, "/rules/columns/a/max"),
        ({"columns": {"a": {"min": 2, "max": 1}}}, "/rules/columns/a/max"),
        ({"columns": {"a/b~c": {"max": []}}}, "/rules/columns/a~1b~0c/max"),
        ({"other_columns": 0}, "/rules/other_columns"),
    ],
)
def test_a_wrong_rule_is_named(rules: Any, pointer: str) -> None:
    with pytest.raises(InvalidField) as refused:
        checked_rules(rules)
    assert refused.value.pointer == pointer
