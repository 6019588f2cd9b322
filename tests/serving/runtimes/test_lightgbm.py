"""LightGBM's text files answer in the runtime what the library itself answers, bit for bit."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.errors import CheckRefused
from registry.scan import look
from serving.runtimes.lightgbm import LightGBMModel, load
from tests.serving.runtimes.boosted_tables import (
    FRAME,
    NUMBERS,
    THREE,
    TWO,
    VALUE,
    WITH_CATEGORIES,
    WITH_TEXTS,
    batch_of,
    decision,
    no_new_thread,
    prediction,
    probabilities,
    quietly,
    signature_of,
)

lightgbm = pytest.importorskip("lightgbm")

SMALL = {"n_estimators": 5, "num_leaves": 5, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
# LightGBM itself writes _ for a blank in a name.
PLAIN = FRAME.rename(columns={"weight kg": "weight_kg"})
CATEGORIES = WITH_CATEGORIES.rename(columns={"weight kg": "weight_kg"})
TEXTS = WITH_TEXTS.rename(columns={"weight kg": "weight_kg"})


def saved(model: Any) -> bytes:
    booster = getattr(model, "booster_", model)
    return booster.model_to_string().encode()


def opened(content: bytes) -> LightGBMModel:
    found = look(io.BytesIO(content), len(content), "lightgbm")
    assert found.verdict == "passed", found.summary
    return load(io.BytesIO(content), "lightgbm")


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
def test_a_classifier_answers_labels_probabilities_and_raw_scores(target: Any) -> None:
    own = lightgbm.LGBMClassifier(**SMALL).fit(PLAIN, target)
    model = opened(saved(own))
    with no_new_thread():
        answer = model.score(batch_of(PLAIN), ("prediction", "probabilities", "decision"), {})
    assert prediction(answer) == own.predict(PLAIN).tolist()
    assert (probabilities(answer) == own.predict_proba(PLAIN)).all()
    scores = own.predict_proba(PLAIN, raw_score=True).reshape(len(PLAIN), -1)
    assert (decision(answer) == scores).all()
    assert model.facts().feature_names == tuple(PLAIN.columns)
    assert model.facts().outputs[0].classes == tuple(range(target.max() + 1))


def test_a_regressor_on_a_matrix_takes_columns_by_their_place() -> None:
    own = quietly(lambda: lightgbm.LGBMRegressor(**SMALL).fit(NUMBERS, VALUE))
    model = opened(saved(own))
    answer = model.score(batch_of(NUMBERS), (), {})
    assert prediction(answer) == quietly(lambda: own.predict(NUMBERS)).tolist()
    assert model.facts().input_form == "matrix"
    assert [column.name for column in signature_of(model).inputs] == ["x0", "x1", "x2"]
    assert signature_of(model).inputs[0].nullable


def test_categories_are_texts_and_numbers_from_the_file() -> None:
    own = lightgbm.LGBMClassifier(**SMALL, min_data_per_group=5).fit(CATEGORIES, TWO)
    content = saved(own)
    assert b"num_cat=1" in content
    model = opened(content)
    answer = model.score(batch_of(TEXTS), (), {})
    assert (probabilities(answer) == own.predict_proba(CATEGORIES)).all()
    columns = {column.name: column for column in signature_of(model).inputs}
    assert columns["town"].enum == ("Köln", "Oslo", "Rome")
    assert columns["floor"].enum == (1, 5, 30)


def test_a_missing_and_an_unknown_category_are_missing() -> None:
    own = lightgbm.LGBMClassifier(**SMALL, min_data_per_group=5).fit(CATEGORIES, TWO)
    model = opened(saved(own))
    none = pd.Categorical([None] * len(TEXTS), categories=CATEGORIES.town.cat.categories)
    expected = own.predict_proba(CATEGORIES.assign(town=none))
    for town in (None, "Lima"):
        answer = model.score(batch_of(TEXTS.assign(town=[town] * len(TEXTS))), (), {})
        assert (probabilities(answer) == expected).all()


def test_early_stopping_keeps_the_best_iteration_as_the_library_does() -> None:
    own = lightgbm.LGBMRegressor(**{**SMALL, "n_estimators": 200, "learning_rate": 1.0})
    stop = lightgbm.early_stopping(3, verbose=False)
    last = {"eval_X": PLAIN[80:], "eval_y": VALUE[80:]}
    own.fit(PLAIN[:80], VALUE[:80], **last, callbacks=[stop])
    assert 0 < own.best_iteration_ < 200
    answer = opened(saved(own)).score(batch_of(PLAIN), (), {})
    assert prediction(answer) == own.predict(PLAIN).tolist()


@pytest.mark.parametrize("boosting", ["dart", "rf"])
def test_other_ways_of_boosting_answer_alike(boosting: str) -> None:
    bagged = {"subsample": 0.5, "subsample_freq": 1}
    own = lightgbm.LGBMClassifier(**SMALL, **bagged, boosting_type=boosting).fit(PLAIN, TWO)
    answer = opened(saved(own)).score(batch_of(PLAIN), (), {})
    assert (probabilities(answer) == own.predict_proba(PLAIN)).all()


def test_a_model_without_a_split_answers_its_constant() -> None:
    few = {**SMALL, "min_child_samples": 1000}
    own = quietly(lambda: lightgbm.LGBMRegressor(**few).fit(PLAIN, VALUE))
    answer = opened(saved(own)).score(batch_of(PLAIN), (), {})
    assert prediction(answer) == quietly(lambda: own.predict(PLAIN)).tolist()


def test_an_objective_of_its_own_answers_raw_numbers() -> None:
    def squares(wanted: Any, given: Any) -> Any:
        return given - wanted, np.ones_like(given)

    own = lightgbm.LGBMRegressor(**SMALL, objective=squares).fit(PLAIN, VALUE)
    answer = opened(saved(own)).score(batch_of(PLAIN), (), {})
    assert prediction(answer) == own.predict(PLAIN).tolist()


def test_linear_trees_are_refused() -> None:
    own = lightgbm.LGBMRegressor(**SMALL, linear_tree=True).fit(PLAIN, VALUE)
    content = saved(own)
    found = look(io.BytesIO(content), len(content), "lightgbm")
    assert found.reason == "lightgbm-malformed"
    assert "linear" in found.summary


def test_a_server_without_the_library_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(CheckRefused, match=r"requirements-extra\.txt") as refused:
        load(io.BytesIO(b"tree\n"), "lightgbm")
    assert refused.value.reason == "runtime-not-installed"
