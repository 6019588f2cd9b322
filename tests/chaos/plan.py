"""What a chaos run asks for: combinations of model, rows and options, and how they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BAD_EVERY = 50
DATASETS = {"small": 300, "middle": 6_000, "large": 40_000, "poisoned": 24}
POISONED_ROW = 17
# Compiled; pinned to its original; in a runtime that dies on a row.
MODELS = ("swift", "stayer", "mortal")
# Those with a second version, and its number.
COMPARED, COMPARED_NUMBER = ("swift", "stayer"), 2
WHOLE = "completed_with_rejects"


@dataclass(frozen=True)
class Combination:
    """One kind of job. ``ends`` is how it ends when nobody cancels it.

    Of a job that is ``narrowed`` the chunks are cut where the search for bad rows has led, so only
    its rows are held against those of the undisturbed run.
    """

    name: str
    model: str
    dataset: str
    chunk_rows: int
    options: dict[str, Any] = field(default_factory=dict)
    ends: str = WHOLE
    narrowed: bool = False
    weight: int = 1

    def asked(self) -> dict[str, Any]:
        """The arguments of ``create_job``; chunk_rows is different for each combination."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "chunk_rows": self.chunk_rows,
            **self.options,
        }


COMBINATIONS = (
    Combination("swift-small", "swift", "small", 25, weight=8),
    Combination("swift-middle", "swift", "middle", 500, weight=8),
    Combination("swift-large", "swift", "large", 4_000, weight=6),
    Combination(
        "one-output", "swift", "middle", 700,
        {"keep_columns": ["id"], "outputs": ["prediction"]}, weight=4,
    ),
    Combination("stayer-small", "stayer", "small", 20, weight=8),
    Combination("stayer-middle", "stayer", "middle", 400, weight=8),
    Combination(
        "delivered", "swift", "small", 35,
        {"sink": {"connection": "warehouse", "table": "scores"}}, weight=6,
    ),
    Combination(
        "delivered-middle", "swift", "middle", 800,
        {"sink": {"connection": "warehouse", "table": "scores"}}, weight=4,
    ),
    # The other version is pinned to its original: its answers come from the model host.
    Combination("compared", "swift", "small", 45, {"compare_with": COMPARED_NUMBER}, weight=4),
    Combination(
        "compared-delivered", "stayer", "middle", 900,
        {
            "compare_with": COMPARED_NUMBER,
            "sink": {"connection": "warehouse", "table": "compared"},
        },
        weight=4,
    ),
    Combination("scheduled", "swift", "small", 60, weight=0),
    Combination("refused", "stayer", "small", 75, {"on_row_error": "fail"}, ends="failed"),
    # Few rows: each death on the way to the row counts, and five in a minute suspend the model.
    Combination("poisoned", "mortal", "poisoned", 4, narrowed=True),
)  # fmt: skip
BY_CHUNK_ROWS = {combination.chunk_rows: combination for combination in COMBINATIONS}
BY_NAME = {combination.name: combination for combination in COMBINATIONS}


def is_bad(row: int) -> bool:
    """Whether the row lacks the age that each model needs."""
    return row % BAD_EVERY == 7
