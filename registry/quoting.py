"""Plain: what checks have found without what may repeat a cell, where a model hides its cells.

A model may have become confidential after its checks: then they are shown without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# `message` is what the model's own code says; differences are answers.
MAY_QUOTE = frozenset({"received", "message", "differences", "first_difference"})
ANSWERED_OTHERWISE = "The example is answered differently here than by the trainer."
# Behind these words the check of a compiled graph quotes answers.
QUOTES_FROM = " First: "


def without_cells(found: Any) -> Any:
    """Evidence, JSON at any depth, without what may repeat a cell of the example or an answer."""
    if isinstance(found, Mapping):
        kept = {key: without_cells(value) for key, value in found.items() if key not in MAY_QUOTE}
        if isinstance(found.get("summary"), str):
            kept["summary"] = summary_without_cells(found["summary"], found)
        return kept
    return [without_cells(value) for value in found] if isinstance(found, list) else found


def summary_without_cells(summary: str, evidence: Mapping[str, Any]) -> str:
    """The summary of a check with this evidence, without answers."""
    return ANSWERED_OTHERWISE if "differences" in evidence else summary.partition(QUOTES_FROM)[0]
