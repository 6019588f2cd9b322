"""Plain: how many values an answer has, before it is made, and how many are made at once.

A caller is answered by a process that answers many others. As JSON five million values take some
0.7 GB for a moment, and 150 MB on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.errors import TooLarge
from registry.signature.facts import ModelFacts, OutputFacts
from serving.runtimes.base import MAX_ANSWER_COLUMNS

MOST_VALUES = 5_000_000
# So many rows are not too many with any model.
FEW_ROWS = MOST_VALUES // MAX_ANSWER_COLUMNS
_VALUE_BYTES = 8


def values_per_row(facts: ModelFacts, kinds: Sequence[str]) -> int:
    """About how many values a row's answer has; where the facts do not say, the fewest."""
    transformed = len(facts.transform_names or ()) or 1
    predicted = len(facts.outputs) or transformed
    counts = {
        "prediction": predicted,
        "probabilities": sum(len(one.classes or ()) for one in facts.outputs),
        "decision": sum(map(_decisions, facts.outputs)),
        "transform": transformed,
    }
    return max(1, sum(counts[kind] for kind in kinds))


def rows_at_once(facts: ModelFacts, kinds: Sequence[str]) -> int:
    """How many rows have no more values together than are made at once."""
    return max(1, MOST_VALUES // values_per_row(facts, kinds))


def require_few(rows: int, per_row: int) -> None:
    """Raises TooLarge for an answer with more values than are made at once."""
    if rows * per_row > MOST_VALUES:
        raise TooLarge(
            f"The answer would be too large: {rows:,} rows with {per_row:,} values each, "
            f"{rows * per_row:,} in all. At most {MOST_VALUES:,} are given at once: send at most "
            f"{MOST_VALUES // per_row:,} rows, ask for fewer outputs, or use a batch job.",
            limit_bytes=MOST_VALUES * _VALUE_BYTES,
        )


def _decisions(output: OutputFacts) -> int:
    """One for two classes and for what has none, else one a class."""
    classes = len(output.classes or ())
    return classes if classes > 2 else 1
