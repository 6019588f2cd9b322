"""Rules of a dataset, and what came of them, as lines for the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.admin.evidence import cell
from registry.tabular.rules import Outcome

_WORDS = {
    "type": "has the type {}",
    "max_null_share": "misses at most {} of its cells",
    "min": "is at least {}",
    "max": "is at most {}",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One rule in words, and what was found; ``found`` is empty where that says nothing more."""

    words: str
    found: str
    passed: bool
    note: str


def rules_in_words(rules: Mapping[str, Any]) -> list[str]:
    """Each rule as a line; empty without rules."""
    lines = [_of_rows(bound, limit) for bound, limit in rules.get("rows", {}).items()]
    for name, wanted in rules.get("columns", {}).items():
        told = [_WORDS[key].format(_shown(key, limit)) for key, limit in wanted.items()]
        lines.append(f"{name} is there{''.join(f', {one}' for one in told)}")
    if rules.get("other_columns") is False:
        lines.append("there are no other columns")
    return lines


def outcome_lines(outcomes: Iterable[Outcome]) -> list[Line]:
    """Each outcome as a line."""
    return [Line(_words(one), _found(one), one.passed, one.note) for one in outcomes]


def _words(one: Outcome) -> str:
    kind, _, rest = one.rule.partition("/")
    if kind == "rows":
        return _of_rows(rest, one.expected)
    if kind == "other_columns":
        return "there are no other columns"
    name, _, key = rest.rpartition("/")
    if key in _WORDS and name:
        return f"{name} {_WORDS[key].format(_shown(key, one.expected))}"
    return f"{rest} is there"


def _of_rows(bound: str, limit: Any) -> str:
    return f"{'at least' if bound == 'min' else 'at most'} {limit:,} row{'' if limit == 1 else 's'}"


def _found(one: Outcome) -> str:
    if one.found is None or one.found == one.expected:
        return ""
    if isinstance(one.found, list):
        return ", ".join(one.found)
    return _shown(one.rule.rpartition("/")[2], one.found)


def _shown(key: str, value: Any) -> str:
    return f"{100 * value:.4g} %" if key == "max_null_share" else cell(value)
