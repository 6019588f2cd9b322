"""XGBoost's native files answer in the runtime what the library itself answers, bit for bit."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.errors import CheckRefused, InvalidField
from registry.scan import look
from serving.runtimes.xgboost import XGBoostModel, load
from tests.serving.runtimes import boosted_tables
from tests.serving.runtimes.boosted_tables import (
    FRAME,
    NUMBERS,
    THREE,
    TWO,
    VALUE,
    batch_of,
    decision,
    no_new_thread,
    prediction,
    probabilities,
    signature_of,
)

xgboost = pytest.importorskip("xgboost")

SMALL = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1, "verbosity": 0}
FORMATS = ["json", "ubj"]
# XGBoost 3.2 cuts categories off that have letters beyond ASCII.
WITH_TEXTS = boosted_tables.WITH_TEXTS.replace({"town": {"Köln": "Bonn"}})
WITH_CATEGORIES = WITH_TEXTS.astype({"town": "category", "floor": "category"})


def saved(model: Any, kind: str = "ubj") -> bytes:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if hasattr(model, "get_booster"):
        # What save_model does before it writes.
        booster.set_attr(scikit_learn=json.dumps({"_estimator_type": model._get_type()}))
    return bytes(booster.save_raw(kind))


def opened(content: bytes) -> XGBoostModel:
    found = look(io.BytesIO(content), len(content), "xgboost")
    assert found.verdict == "passed", found.summary
    return load(io.BytesIO(content), "xgboost")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
def test_a_classifier_answers_labels_probabilities_and_margins(kind: str, target: Any) -> None:
    own = xgboost.XGBClassifier(**SMALL).fit(FRAME, target)
    model = opened(saved(own, kind))
    with no_new_thread():
        answer = model.score(batch_of(FRAME), ("prediction", "probabilities", "decision"), {})
    assert prediction(answer) == own.predict(FRAME).tolist()
    assert (probabilities(answer) == own.predict_proba(FRAME).astype(float)).all()
    margins = own.predict(FRAME, output_margin=True).astype(float).reshape(len(FRAME), -1)
    assert (decision(answer) == margins).all()
    facts = model.facts()
    assert facts.feature_names == tuple(FRAME.columns)
    assert facts.outputs[0].classes == tuple(range(target.max() + 1))
    assert facts.outputs[0].type == "int64"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_a_regressor_answers_its_numbers(kind: str, booster: str) -> None:
    own = xgboost.XGBRegressor(**SMALL, booster=booster).fit(np.nan_to_num(NUMBERS), VALUE)
    model = opened(saved(own, kind))
    answer = model.score(batch_of(np.nan_to_num(NUMBERS)), (), {})
    expected = own.predict(np.nan_to_num(NUMBERS)).astype(float)
    assert prediction(answer) == expected.tolist()
    assert model.facts().input_form == "matrix"
    assert model.facts().methods == ("predict",)


@pytest.mark.parametrize("kind", FORMATS)
def test_categories_are_texts_and_numbers_from_the_file(kind: str) -> None:
    own = xgboost.XGBClassifier(**SMALL, enable_categorical=True, max_cat_to_onehot=1)
    own.fit(WITH_CATEGORIES, TWO)
    model = opened(saved(own, kind))
    answer = model.score(batch_of(WITH_TEXTS), (), {})
    assert (probabilities(answer) == own.predict_proba(WITH_CATEGORIES).astype(float)).all()
    columns = {column.name: column for column in signature_of(model).inputs}
    assert columns["town"].type == "string"
    assert columns["town"].enum == ("Bonn", "Oslo", "Rome")
    assert columns["floor"].enum == (1, 5, 30)
    assert columns["town"].nullable
    assert columns["weight kg"].type == "float64"


def test_a_missing_category_is_missing() -> None:
    own = xgboost.XGBClassifier(**SMALL, enable_categorical=True).fit(WITH_CATEGORIES, TWO)
    model = opened(saved(own))
    gaps = WITH_TEXTS.assign(town=None)
    expected = own.predict_proba(
        WITH_CATEGORIES.assign(
            town=pd.Categorical([None] * len(gaps), categories=WITH_CATEGORIES.town.cat.categories)
        )
    )
    answer = model.score(batch_of(gaps.assign(town=[None] * len(gaps))), (), {})
    assert (probabilities(answer) == expected.astype(float)).all()


def test_the_wrapper_ends_at_the_best_iteration_and_the_booster_does_not() -> None:
    options = {"max_depth": 3, "learning_rate": 1.0, "nthread": 1, "objective": "binary:logistic"}
    train, test = (xgboost.DMatrix(FRAME[part], TWO[part]) for part in (slice(80), slice(80, None)))
    native = xgboost.train(
        options, train, 40, evals=[(test, "test")], early_stopping_rounds=5, verbose_eval=False
    )
    assert native.best_iteration + 1 < native.num_boosted_rounds()
    rows = xgboost.DMatrix(FRAME)
    answer = opened(saved(native)).score(batch_of(FRAME), (), {})
    assert (probabilities(answer)[:, 1] == native.predict(rows).astype(float)).all()

    own = xgboost.XGBClassifier(n_estimators=40, learning_rate=1.0, early_stopping_rounds=5)
    own.fit(FRAME[:80], TWO[:80], eval_set=[(FRAME[80:], TWO[80:])], verbose=False)
    assert own.best_iteration + 1 < own.get_booster().num_boosted_rounds()
    answer = opened(saved(own)).score(batch_of(FRAME), (), {})
    assert (probabilities(answer) == own.predict_proba(FRAME).astype(float)).all()


@pytest.mark.parametrize("objective", ["multi:softmax", "binary:hinge", "count:poisson"])
def test_other_objectives_answer_as_booster_predict_does(objective: str) -> None:
    target = {"multi:softmax": THREE, "binary:hinge": TWO}.get(objective, np.abs(VALUE))
    options = {"objective": objective, "nthread": 1, "max_depth": 2}
    if objective == "multi:softmax":
        options["num_class"] = 3
    native = xgboost.train(options, xgboost.DMatrix(FRAME, target), 4)
    model = opened(saved(native))
    answer = model.score(batch_of(FRAME), (), {})
    assert prediction(answer) == native.predict(xgboost.DMatrix(FRAME)).tolist()
    assert bool(answer.of("probabilities")) == (objective == "multi:softmax")


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_several_targets_are_several_outputs(strategy: str) -> None:
    own = xgboost.XGBRegressor(**SMALL, multi_strategy=strategy)
    own.fit(FRAME, np.column_stack([VALUE, -3 * VALUE]))
    answer = opened(saved(own)).score(batch_of(FRAME), (), {})
    expected = own.predict(FRAME).astype(float)
    assert prediction(answer, 0) == expected[:, 0].tolist()
    assert prediction(answer, 1) == expected[:, 1].tolist()


def test_several_labels_are_several_outputs_with_probabilities() -> None:
    own = xgboost.XGBClassifier(**SMALL).fit(FRAME, np.column_stack([TWO, 1 - TWO]))
    answer = opened(saved(own)).score(batch_of(FRAME), (), {})
    expected = own.predict_proba(FRAME)
    assert prediction(answer, 1) == own.predict(FRAME)[:, 1].astype(int).tolist()
    assert (probabilities(answer, 1)[:, 1] == expected[:, 1].astype(float)).all()


def test_columns_in_another_order_are_taken_by_name() -> None:
    own = xgboost.XGBRegressor(**SMALL).fit(FRAME, VALUE)
    model = opened(saved(own))
    turned = model.score(batch_of(FRAME[["x", "größe", "weight kg"]]), (), {})
    assert prediction(turned) == own.predict(FRAME).astype(float).tolist()


def test_no_rows_are_answered_with_no_rows() -> None:
    model = opened(saved(xgboost.XGBClassifier(**SMALL).fit(FRAME, TWO)))
    answer = model.score(batch_of(FRAME).slice(0, 0), (), {})
    assert answer.n_rows == 0
    assert answer.of("probabilities")[0].labels == (0, 1)


def test_what_the_model_lacks_is_refused_by_its_pointer() -> None:
    model = opened(saved(xgboost.XGBRegressor(**SMALL).fit(FRAME, VALUE)))
    with pytest.raises(InvalidField, match="no output"):
        model.score(batch_of(FRAME), ("probabilities",), {})
    with pytest.raises(InvalidField, match="absent"):
        model.score(batch_of(FRAME[["x"]]), (), {})


def test_categories_that_the_file_does_not_tell_are_refused() -> None:
    own = xgboost.XGBClassifier(**SMALL, enable_categorical=True).fit(WITH_CATEGORIES, TWO)
    content = json.loads(saved(own, "json"))
    del content["learner"]["gradient_booster"]["model"]["cats"]
    with pytest.raises(CheckRefused, match=r"since its version 3\.1"):
        load(io.BytesIO(json.dumps(content).encode()), "xgboost")


def test_categories_that_xgboost_has_cut_off_are_refused() -> None:
    own = xgboost.XGBClassifier(**SMALL, enable_categorical=True)
    content = saved(own.fit(boosted_tables.WITH_CATEGORIES, TWO))
    found = look(io.BytesIO(content), len(content), "xgboost")
    assert found.reason == "xgboost-malformed"
    assert "beyond ASCII" in found.summary


def test_a_server_without_the_library_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(CheckRefused, match=r"requirements-extra\.txt") as refused:
        load(io.BytesIO(b"{}"), "xgboost")
    assert refused.value.reason == "runtime-not-installed"
