"""The model's answers to the example rows in its checks, and the trainer's to hold them against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from registry import storage, strict_json
from registry.errors import CheckRefused, DomainError, RowProblem
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from serving.expected import SHOWN, compare_expected
from serving.protocols.native import answer_members
from serving.runtimes.base import Answer, default_outputs
from serving.runtimes.isolation.client import Inspection
from serving.runtimes.isolation.errors import ModelRaised

EXAMPLE_MAX_BYTES = 64 << 20


def answer_example(
    child: Inspection, inputs: pa.RecordBatch, facts: ModelFacts, signature: Signature
) -> Answer:
    """The model's answer to the example rows. Raises CheckRefused that names the first bad row."""
    outputs, params = default_outputs(facts), {p.name: p.default for p in signature.params}

    def score(rows: int) -> Answer:
        return child.score(inputs.slice(0, rows), outputs, params)

    try:
        return score(inputs.num_rows)
    except ModelRaised as error:
        row = _first_failing(score, inputs.num_rows)
        raise CheckRefused(
            "model-failed",
            f"The model raised {error.evidence.get('exception', 'an error')} on example row {row}.",
            [RowProblem(row, None, "model-failed")],
            **error.evidence,
        ) from None


def compare_with_trainer(expected_sha256: str, answer: Answer, example_rows: int) -> None:
    """Hold the answers against what the trainer sent. Raises CheckRefused where they differ."""
    expected = _expected(expected_sha256)
    differing = compare_expected(
        _head(expected, example_rows, answer.n_rows), answer_members(answer), answer.n_rows
    )
    if not differing:
        return
    rows = len({d.row for d in differing})
    first = differing[0]
    raise CheckRefused(
        "differs-from-trainer",
        f"{rows} of {answer.n_rows} example rows are answered differently here than by "
        f"the trainer, first row {first.row}, {first.where}: the trainer says "
        f"{first.expected}, this server {first.received}. The usual cause is another "
        "library version: see the load check.",
        differences=[d.to_json() for d in differing[:SHOWN]],
        rows_that_differ=rows,
    )


def _first_failing(score: Callable[[int], Answer], rows: int) -> int:
    """The first row on which the model raises, by halves; all ``rows`` together make it raise."""
    passing = 0
    while rows - passing > 1:
        middle = (passing + rows) // 2
        try:
            score(middle)
        except ModelRaised:
            rows = middle
        else:
            passing = middle
    return rows - 1


def _expected(sha256: str) -> Any:
    body = storage.read_blob(sha256)
    try:
        return strict_json.loads(body, max_bytes=EXAMPLE_MAX_BYTES)
    except DomainError as error:
        raise CheckRefused("expected-unreadable", f"“expected” cannot be read: {error}") from None


def _head(expected: Any, example_rows: int, golden_rows: int) -> Any:
    """The trainer answers all example rows; the golden rows are the first thousand of them."""
    if not isinstance(expected, dict) or example_rows == golden_rows:
        return expected
    return {
        name: value[:golden_rows]
        if isinstance(value, list) and len(value) == example_rows
        else value
        for name, value in expected.items()
    }
