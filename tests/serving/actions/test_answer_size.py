"""An answer with too many values is refused before it is computed, by graph and original alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.test import Client

from registry.actions.access import create_api_key
from registry.errors import TooLarge
from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.types import Column, Signature
from registry.signature.validate import Validated, validate_table
from serving.actions import scoring
from serving.actions.scoring import score
from serving.actions.targets import Target
from serving.runtimes import answer_size
from serving.runtimes.answer_size import FEW_ROWS, rows_at_once, values_per_row
from serving.runtimes.base import Answer
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout
from tests.serving.batch import ledger

SIGNATURE = Signature((Column("x", "float64"),))
METHODS = ("predict", "predict_proba")
MANY = ModelFacts("a", methods=METHODS, outputs=(OutputFacts(None, "int64", tuple(range(19_999))),))
UNKNOWN = ModelFacts("a", methods=METHODS, outputs=(OutputFacts(None, "int64"),))


class Answering:
    """A graph and a host in one, whose answers have 19,999 values a row."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, rows: Any, *rest: Any, **_: Any) -> Answer:
        n_rows = rows.n_good if isinstance(rows, Validated) else rest[1].num_rows
        self.asked.append(n_rows)
        layout = PartLayout("probabilities", None, tuple(range(19_999)))
        return LeanAnswer(n_rows, (Part(layout, np.empty((n_rows, 19_999))),))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    made = Answering()
    monkeypatch.setattr(scoring, "engine_of", lambda target: made)
    monkeypatch.setattr(scoring, "host", lambda: made)
    return made


def answer_to(n_rows: int, facts: ModelFacts, compiled: str = "", **asked: Any) -> Answer:
    words = {"format": "skops", "runtime": "sklearn", "golden_sha256": "", "hides_cells": False}
    identity = {"model": "m", "number": 1, "version_id": uuid.uuid4(), "sha256": "a" * 64}
    target = Target(**identity, **words, signature=SIGNATURE, facts=facts, compiled_sha256=compiled)
    rows = pa.record_batch({"x": np.zeros(n_rows)})
    return score(target, validate_table(SIGNATURE, rows), **asked)


@pytest.mark.parametrize("compiled", ["c" * 64, ""], ids=["graph", "original"])
def test_what_would_have_too_many_values_is_not_computed(
    answering: Answering, compiled: str
) -> None:
    assert answer_to(250, MANY, compiled).n_rows == 250
    with pytest.raises(TooLarge) as refused:
        answer_to(251, MANY, compiled)
    assert str(refused.value) == (
        "The answer would be too large: 251 rows with 20,000 values each, 5,020,000 in all. At most"
        " 5,000,000 are given at once: send at most 250 rows, ask for fewer outputs, or use a batch"
        " job."
    )
    assert refused.value.limit_bytes == 40_000_000
    assert answer_to(251, MANY, compiled, outputs=["prediction"], is_bounded=False).n_rows == 251
    assert answering.asked == [250, 251]


@pytest.mark.parametrize("compiled", ["c" * 64, ""], ids=["graph", "original"])
def test_what_nobody_knew_before_is_refused_before_it_is_written(
    answering: Answering, compiled: str
) -> None:
    with pytest.raises(TooLarge, match="251 rows with 19,999 values each"):
        answer_to(251, UNKNOWN, compiled)


def _outputs(*classes: int | None) -> tuple[OutputFacts, ...]:
    return tuple(
        OutputFacts(f"y{at}", "int64", None if count is None else tuple(range(count)))
        for at, count in enumerate(classes)
    )


@pytest.mark.parametrize(
    ("outputs", "names", "kinds", "values"),
    [
        (_outputs(3), None, ["prediction"], 1),
        (_outputs(3), None, ["prediction", "probabilities", "decision"], 7),
        (_outputs(2, 4), None, ["prediction", "probabilities", "decision"], 13),
        (_outputs(None, None), None, ["prediction"], 2),
        (_outputs(None), None, ["decision"], 1),
        (_outputs(8), ("a", "b"), ["prediction", "transform"], 3),
        ((), ("a", "b", "c"), ["prediction", "transform"], 6),
        ((), None, ["transform"], 1),
    ],
)
def test_the_values_of_a_row_are_those_of_all_kinds_asked(
    outputs: Any, names: Any, kinds: Sequence[str], values: int
) -> None:
    facts = ModelFacts("a", methods=METHODS, outputs=outputs, transform_names=names)
    assert values_per_row(facts, kinds) == values
    assert rows_at_once(facts, kinds) == 5_000_000 // values
    assert FEW_ROWS == 250


@pytest.fixture
def caller(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Ana, whose model has three values a row, where nine are many."""
    host = ledger.ObedientHost()
    monkeypatch.setattr(scoring, "host", lambda: host)
    monkeypatch.setattr(scoring, "FEW_ROWS", 2)
    monkeypatch.setattr(answer_size, "MOST_VALUES", 9)
    ana = ledger.person("ana")
    ledger.ready_version(ana)
    _, text = create_api_key(by=ana, user=ana.user, name="size")
    yield Client(headers={"Authorization": f"Bearer {text}"})
    assert host.calls == [3]


def test_the_caller_is_told_how_many_rows_would_do(caller: Client) -> None:
    def ask(rows: int) -> Any:
        sent = {"instances": [[44, "Rome"]] * rows}
        path = "/api/v1/models/churn/predict"
        return caller.post(path, sent, content_type="application/json")

    assert ask(3).status_code == 200
    refused = ask(4)
    told = refused.json()
    assert (refused.status_code, told["code"]) == (413, "too-large")
    assert "4 rows with 3 values each" in told["detail"]
    assert "at most 3 rows" in told["detail"]
