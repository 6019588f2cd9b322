"""CatBoost's binary files answer in the runtime what the library itself answers, bit for bit."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.errors import CheckRefused
from registry.scan import look
from registry.signature.infer import infer
from serving.runtimes.catboost import CatBoostModel, load
from tests.serving.runtimes.boosted_tables import (
    FRAME,
    NUMBERS,
    THREE,
    TWO,
    VALUE,
    WITH_TEXTS,
    batch_of,
    decision,
    no_new_thread,
    prediction,
    probabilities,
    signature_of,
)

catboost = pytest.importorskip("catboost")

SMALL = {"iterations": 5, "depth": 3, "verbose": 0, "allow_writing_files": False}
SMALL |= {"thread_count": 1, "random_seed": 0}
LABELS = {
    "texts": np.array(["no", "jä"])[TWO],
    "numbers": TWO * 4 + 3,
    "three": np.array(["a", "b", "c"])[THREE],
}


def saved(model: Any, folder: Path) -> bytes:
    model.save_model(str(folder / "model.cbm"))
    return (folder / "model.cbm").read_bytes()


def opened(content: bytes) -> CatBoostModel:
    found = look(io.BytesIO(content), len(content), "catboost")
    assert found.verdict == "passed", found.summary
    assert found.evidence["trained_with"] == {"catboost": catboost.__version__}
    return load(io.BytesIO(content), "catboost")


@pytest.mark.parametrize("labels", list(LABELS))
def test_a_classifier_answers_its_own_labels(labels: str, tmp_path: Path) -> None:
    own = catboost.CatBoostClassifier(**SMALL).fit(FRAME, LABELS[labels])
    model = opened(saved(own, tmp_path))
    with no_new_thread():
        answer = model.score(batch_of(FRAME), ("prediction", "probabilities", "decision"), {})
    assert prediction(answer) == own.predict(FRAME).ravel().tolist()
    assert (probabilities(answer) == own.predict_proba(FRAME)).all()
    raw = own.predict(FRAME, prediction_type="RawFormulaVal").reshape(len(FRAME), -1)
    assert (decision(answer) == raw).all()
    assert model.facts().outputs[0].classes == tuple(own.classes_.tolist())
    assert model.facts().feature_names == tuple(FRAME.columns)


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
def test_a_regressor_of_any_growth_answers_its_numbers(policy: str, tmp_path: Path) -> None:
    own = catboost.CatBoostRegressor(**SMALL, grow_policy=policy).fit(NUMBERS, VALUE)
    model = opened(saved(own, tmp_path))
    answer = model.score(batch_of(NUMBERS), (), {})
    assert prediction(answer) == own.predict(NUMBERS).tolist()
    assert model.facts().input_form == "matrix"
    assert signature_of(model).inputs[0].name == "x0"


def test_categories_are_texts_or_whole_numbers_by_the_example(tmp_path: Path) -> None:
    own = catboost.CatBoostClassifier(**SMALL, one_hot_max_size=2)
    own.fit(WITH_TEXTS, TWO, cat_features=["town", "floor"])
    model = opened(saved(own, tmp_path))
    answer = model.score(batch_of(WITH_TEXTS), (), {})
    assert (probabilities(answer) == own.predict_proba(WITH_TEXTS)).all()
    with pytest.raises(CheckRefused) as refused:
        signature_of(model)
    assert refused.value.reason == "example-needed"
    table = pa.Table.from_batches([batch_of(WITH_TEXTS)])
    types = {c.name: c.type for c in infer(model.facts(), table, True).signature.inputs}
    assert types["town"] == "string"
    assert types["floor"] == "int64"


def test_several_targets_are_several_outputs(tmp_path: Path) -> None:
    targets = np.column_stack([VALUE, -VALUE])
    own = catboost.CatBoostRegressor(**SMALL, loss_function="MultiRMSE").fit(FRAME, targets)
    answer = opened(saved(own, tmp_path)).score(batch_of(FRAME), (), {})
    assert prediction(answer, 1) == own.predict(FRAME)[:, 1].tolist()


def test_several_labels_are_several_outputs_with_probabilities(tmp_path: Path) -> None:
    own = catboost.CatBoostClassifier(**SMALL, loss_function="MultiLogloss")
    own.fit(FRAME, np.column_stack([TWO, 1 - TWO]))
    answer = opened(saved(own, tmp_path)).score(batch_of(FRAME), (), {})
    assert prediction(answer, 1) == own.predict(FRAME)[:, 1].tolist()
    assert (probabilities(answer, 0)[:, 1] == own.predict_proba(FRAME)[:, 0]).all()


def test_early_stopping_keeps_the_best_iteration_as_the_library_does(tmp_path: Path) -> None:
    options = {**SMALL, "iterations": 200, "learning_rate": 1.0, "early_stopping_rounds": 3}
    own = catboost.CatBoostRegressor(**options)
    own.fit(FRAME[:80], VALUE[:80], eval_set=(FRAME[80:], VALUE[80:]))
    assert own.tree_count_ == own.best_iteration_ + 1 < 200
    answer = opened(saved(own, tmp_path)).score(batch_of(FRAME), (), {})
    assert prediction(answer) == own.predict(FRAME).tolist()


def test_no_rows_are_answered_with_no_rows(tmp_path: Path) -> None:
    own = catboost.CatBoostClassifier(**SMALL)
    own.fit(WITH_TEXTS, LABELS["texts"], cat_features=["town", "floor"])
    answer = opened(saved(own, tmp_path)).score(batch_of(WITH_TEXTS).slice(0, 0), (), {})
    assert answer.n_rows == 0
    assert answer.of("probabilities")[0].labels == tuple(own.classes_.tolist())


def test_a_server_without_the_library_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(CheckRefused, match=r"requirements-extra\.txt") as refused:
        load(io.BytesIO(b"CBM1"), "catboost")
    assert refused.value.reason == "runtime-not-installed"
