"""Models whose arrays do not fit each other are refused before anything of them is called."""

from __future__ import annotations

import io
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from registry.admin.remedies import CHECK_REASONS
from registry.errors import CheckRefused
from serving.runtimes import load_runtime
from serving.runtimes.sklearn.opening import OPENERS
from serving.runtimes.sklearn.structure import check_structure, run_alone
from serving.runtimes.sklearn.structure.findings import KINDS
from tests.serving.runtimes.altered import ALTERED, YR, Altered, X
from tests.serving.runtimes.test_sklearn import FILES


def as_from_a_file(model: Any, case: Altered) -> Any:
    if not case.is_saved:
        return model
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return OPENERS["joblib"](file)


@pytest.mark.parametrize("case", ALTERED, ids=lambda case: f"{case.kind}: {case.name}")
def test_one_altered_array_is_refused_with_the_path_to_it(case: Altered) -> None:
    model = case.make()
    check_structure(as_from_a_file(model, case))
    case.alter(model)
    found = as_from_a_file(model, case)
    with pytest.raises(CheckRefused) as caught:
        check_structure(found)
    assert caught.value.reason == f"structure-{case.kind}"
    assert caught.value.evidence["path"] == case.path
    assert str(caught.value).startswith(f"{case.path}: ")
    assert "save the model again" in str(caught.value)


@pytest.mark.parametrize("way", ["skops", "joblib", "pickle"])
def test_every_format_is_held_to_it_at_load(way: str) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, YR)
    model[1].coef_[2] = np.nan
    format, write = FILES[way]
    with pytest.raises(CheckRefused) as caught:
        load_runtime("sklearn").load(io.BytesIO(write(model)), format)
    assert caught.value.reason == "structure-not-finite"
    assert caught.value.evidence["path"] == "steps[1][1].coef_"


def test_a_pipeline_inside_of_itself_ends() -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, YR)
    model.steps.append(("again", model))
    with pytest.raises(CheckRefused) as caught:
        check_structure(model)
    assert caught.value.reason == "structure-cycle"


def test_estimators_nested_without_end_are_refused() -> None:
    model: Any = LinearRegression().fit(X, YR)
    for _ in range(60):
        model = Pipeline([("one", model)])
    with pytest.raises(CheckRefused) as caught:
        check_structure(model)
    assert caught.value.reason == "structure-too-large"


def test_what_no_check_expects_is_a_refusal_and_no_error() -> None:
    model = LinearRegression().fit(X, YR)
    model.coef_ = {"a": [model]}
    with pytest.raises(CheckRefused):
        check_structure(model)


def test_nothing_in_a_model_starts_threads_or_writes_files() -> None:
    model = Pipeline([("a", StandardScaler()), ("b", LinearRegression(n_jobs=2))], verbose=True)
    model.fit(X, YR)
    model.memory = "/nowhere"
    run_alone(model)
    assert (model.memory, model.verbose, model[1].n_jobs) == (None, 0, 1)


def test_every_kind_of_refusal_is_explained() -> None:
    assert {f"structure-{kind}" for kind in KINDS} <= set(CHECK_REASONS)
    assert {case.kind for case in ALTERED} <= set(KINDS)
