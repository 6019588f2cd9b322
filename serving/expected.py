"""Plain: the trainer's own answers against ours, row by row, in the shape of ``/predict``.

A library version that answers differently shows here: labels must be equal, numbers within a
relative 1e-6, as far as two builds of the same library agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.errors import CheckRefused

RELATIVE = 1e-6
ABSOLUTE = 1e-9
LISTS = ("predictions", "probabilities", "decision", "transform")
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Differing:
    """One place where the answers differ; ``where`` is a path such as ``probabilities.yes``."""

    row: int
    where: str
    expected: Any
    received: Any

    def to_json(self) -> dict[str, Any]:
        """The difference as evidence."""
        return {
            "row": self.row,
            "where": self.where,
            "expected": self.expected,
            "received": self.received,
        }


def compare_expected(expected: Any, ours: Mapping[str, Any], n_rows: int) -> list[Differing]:
    """All places where ``expected`` (an answer of ``/predict`` as JSON) differs from ours.

    Raises CheckRefused when it is no such answer or has another number of rows.
    """
    if not isinstance(expected, Mapping) or not any(name in expected for name in LISTS):
        raise CheckRefused(
            "expected-unreadable", "“expected” is not an answer of /predict: send its JSON object."
        )
    found: list[Differing] = []
    for name in LISTS:
        if name in expected and name in ours:
            found.extend(_compare_list(name, expected[name], ours[name], n_rows))
    return sorted(found, key=lambda d: d.row)


def _compare_list(name: str, expected: Any, ours: Any, n_rows: int) -> Iterator[Differing]:
    if not isinstance(expected, list) or len(expected) != n_rows:
        count = len(expected) if isinstance(expected, list) else "no"
        raise CheckRefused(
            "expected-has-other-rows",
            f"“expected” has {count} {name} for {n_rows} example rows.",
        )
    for row, (left, right) in enumerate(zip(expected, ours, strict=True)):
        yield from _compare(row, name, left, right)


def _compare(row: int, where: str, expected: Any, received: Any) -> Iterator[Differing]:
    if isinstance(expected, Mapping) and isinstance(received, Mapping):
        for key in {**expected, **received}:
            yield from _compare(row, f"{where}.{key}", expected.get(key), received.get(key))
    elif isinstance(expected, list) and isinstance(received, list):
        if len(expected) != len(received):
            yield Differing(row, where, expected, received)
            return
        for index, pair in enumerate(zip(expected, received, strict=True)):
            yield from _compare(row, f"{where}.{index}", *pair)
    elif not _same(expected, received):
        yield Differing(row, where, expected, received)


def _same(expected: Any, received: Any) -> bool:
    if _is_number(expected) and _is_number(received):
        return math.isclose(expected, received, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(expected) is type(received) and bool(expected == received)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
