"""Whether models compile and how close: the rows of the table in the docs."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry.errors import CheckRefused
from serving.runtimes.compiled.errors import NotCompiled
from tests.serving.runtimes.compiled import every_estimator
from tests.serving.runtimes.compiled.comparing import compare_batch
from tests.serving.runtimes.pipelines import CASES

DOCS = Path(__file__).parents[4] / "docs" / "compiled.md"
ESTIMATORS, KINDS = "estimators", "kinds"
_LEAST = -16
# By the reason of the check that refuses the object before anybody compiles it.
_NOT_TAKEN = {
    "no-scoring-method": "answers no new rows",
    "example-needed": "keeps no names of its columns",
}


@dataclass(frozen=True)
class Outcome:
    """One row: ``worst`` is the power of ten that bounds the difference, None where it is 0."""

    name: str
    compiled: bool
    why_not: str = ""
    rows: int = 0
    worst: int | None = None

    def row(self) -> str:
        """The row as the docs have it."""
        if not self.compiled:
            return f"| {self.name} | {self.why_not} | | |"
        close = "equal" if self.worst is None else f"1e{self.worst}"
        return f"| {self.name} | yes | {self.rows} | {close} |"

    def fits(self, told: Outcome) -> bool:
        """Whether the docs say so. The last digits vary with the processor: a digit is allowed."""
        if (self.compiled, self.why_not, self.rows) != (told.compiled, told.why_not, told.rows):
            return False
        return (
            self.worst is None or self.worst <= (_LEAST if told.worst is None else told.worst) + 1
        )


def names(table: str) -> list[str]:
    """What the table has a row of."""
    return every_estimator.names() if table == ESTIMATORS else [case.name for case in CASES]


def outcome(table: str, name: str) -> Outcome:
    """Fit it, compile it, compare it."""
    if table == ESTIMATORS:
        return _outcome(name, lambda: every_estimator.fitted(name))
    case = next(case for case in CASES if case.name == name)
    return _outcome(name, lambda: (case.make(), case.batch))


def _outcome(name: str, made: Callable[[], tuple[Any, pa.RecordBatch]]) -> Outcome:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compare_batch(*made())
    except NotCompiled as error:
        return Outcome(name, False, error.text)
    except CheckRefused as error:
        return Outcome(name, False, _NOT_TAKEN[error.reason])
    worst = None if not found.worst else max(_LEAST, math.ceil(math.log10(found.worst)))
    return Outcome(name, True, "", found.rows, worst)


def told(table: str) -> dict[str, Outcome]:
    """The rows of one table of the docs by name."""
    found = {}
    for line in _lines(DOCS.read_text("utf-8"), table):
        name, state, rows, close = (cell.strip() for cell in line.strip("|").split("|"))
        if state == "yes":
            worst = None if close == "equal" else int(re.sub("^1e", "", close))
            found[name] = Outcome(name, True, "", int(rows), worst)
        else:
            found[name] = Outcome(name, False, state)
    return found


def _lines(text: str, table: str) -> Iterator[str]:
    _, _, rest = text.partition(f"<!-- {table} -->\n")
    for line in rest.partition(f"<!-- /{table} -->")[0].splitlines()[2:]:
        if line.startswith("|"):
            yield line


def written(text: str, table: str) -> str:
    """The docs with that table made anew."""
    rows = [outcome(table, name).row() for name in names(table)]
    head = ["| | compiled, or why not | rows compared | largest difference |", "|---|---|---|---|"]
    before, start, rest = text.partition(f"<!-- {table} -->\n")
    _, end, after = rest.partition(f"<!-- /{table} -->")
    if not (start and end):
        raise ValueError(f"the docs have no place for the table {table}")
    return before + start + "\n".join([*head, *rows]) + "\n" + end + after
