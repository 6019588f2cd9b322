"""A model in the runtime answers bit for bit what the estimator answers in process."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from registry.errors import CheckRefused, InvalidField
from registry.signature.facts import ModelFacts
from serving.runtimes import load_runtime
from serving.runtimes.base import Answer, answer_from_ipc, answer_to_ipc
from serving.runtimes.sklearn.model import SklearnModel
from tests.serving.runtimes.pipelines import CASES, Case

METHOD = {
    "prediction": "predict",
    "probabilities": "predict_proba",
    "transform": "transform",
}


@cache
def fitted(name: str) -> Any:
    """Fitted once for all tests of this file: scoring changes nothing in it."""
    return next(case for case in CASES if case.name == name).make()


@cache
def loaded(name: str) -> SklearnModel:
    return SklearnModel(fitted(name))


def dense(value: Any) -> np.ndarray:
    if sparse.issparse(value):
        return value.toarray()
    return value.to_numpy() if isinstance(value, pd.DataFrame) else np.asarray(value)


def expected_columns(case: Case, estimator: Any, kind: str) -> list[np.ndarray]:
    """The columns of the estimator's own answer, outputs one after the other."""
    if kind == "decision":
        name = "decision_function" if hasattr(estimator, "decision_function") else "score_samples"
    else:
        name = METHOD[kind]
        if not hasattr(estimator, name):
            name = "transform"
    answer = getattr(estimator, name)(case.x)
    parts = answer if isinstance(answer, list) else [answer]
    columns: list[np.ndarray] = []
    for part in parts:
        array = dense(part)
        columns.extend([array] if array.ndim == 1 else array.T)
    return columns


def answered_columns(answer: Answer, kind: str) -> list[list[Any]]:
    return [array.to_pylist() for block in answer.of(kind) for array in block.arrays]


def same(got: list[Any], expected: np.ndarray) -> bool:
    """Equal in value and in Python type; NaN equals NaN and null."""
    plain = [None if v is None or v != v else v for v in expected.tolist()]
    seen = [None if v is None or v != v else v for v in got]
    return seen == plain and [type(v) for v in seen] == [type(v) for v in plain]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_kind_of_estimator_answers_as_in_process(case: Case) -> None:
    # Loaded first, because that sets n_jobs to 1: a forest that adds up its trees in threads
    # differs from itself in the last bit from call to call.
    model = loaded(case.name)
    estimator = fitted(case.name)
    expected = {kind: expected_columns(case, estimator, kind) for kind in case.kinds}
    answer = answer_from_ipc(answer_to_ipc(model.score(case.batch, case.kinds, {})))
    for kind in case.kinds:
        got = answered_columns(answer, kind)
        assert len(got) == len(expected[kind])
        for mine, theirs in zip(got, expected[kind], strict=True):
            assert same(mine, theirs), (kind, mine[:3], theirs[:3])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_facts_name_the_form_and_survive_json(case: Case) -> None:
    facts = loaded(case.name).facts()
    assert facts.input_form == case.form
    assert ModelFacts.from_json(facts.to_json()) == facts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_row_is_answered_alike_alone_and_among_others(case: Case) -> None:
    model = loaded(case.name)
    together = model.score(case.batch, case.kinds, {})
    alone = model.score(case.batch.slice(1, 1), case.kinds, {})
    for whole, single in zip(together.blocks, alone.blocks, strict=True):
        assert whole.labels == single.labels
        for many, one in zip(whole.arrays, single.arrays, strict=True):
            assert many.type == one.type
            if pa.types.is_floating(one.type):
                np.testing.assert_allclose(
                    many[1].as_py(), one[0].as_py(), rtol=case.rtol, atol=1e-12
                )
            else:
                assert many[1].as_py() == one[0].as_py()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_outputs_in_the_facts_are_those_that_are_answered(case: Case) -> None:
    model = loaded(case.name)
    facts = model.facts()
    answer = model.score(case.batch, ("prediction",), {})
    if facts.outputs:
        assert [b.output for b in answer.blocks] == [o.name for o in facts.outputs]
        types = [str(b.arrays[0].type).replace("double", "float64") for b in answer.blocks]
        assert [t.replace("bool", "boolean") for t in types] == [o.type for o in facts.outputs]
    else:
        names = tuple(b.output for b in answer.blocks)
        assert facts.transform_names in (None, names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_rows_give_no_answers_of_the_same_shape(case: Case) -> None:
    model = loaded(case.name)
    empty = model.score(case.batch.slice(0, 0), case.kinds, {})
    full = model.score(case.batch, case.kinds, {})
    assert empty.n_rows == 0
    assert [(b.kind, b.output, b.labels) for b in empty.blocks] == [
        (b.kind, b.output, b.labels) for b in full.blocks
    ]
