"""Compiled boosters answer as XGBoost and LightGBM do: in float32, and in double."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serving.runtimes import lightgbm as lightgbm_runtime
from serving.runtimes import xgboost as xgboost_runtime
from serving.runtimes.compiled.errors import NotCompiled
from tests.serving.runtimes.boosted_tables import VALUE, WITH_CATEGORIES, signature_of
from tests.serving.runtimes.compiled.agreement import (
    Compiled,
    answers_differ,
    around,
    differences,
)
from tests.serving.runtimes.compiled.tables import gaps, labels, numbers, target

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

X, GAPS = numbers(), gaps()
CODES = np.column_stack([np.abs(np.round(gaps(2, seed=4) * 9)) % 40, gaps(3, seed=5)])
Y = target(X)
TWO, THREE = labels(X, 2) > 0, np.searchsorted(np.quantile(Y, [0.3, 0.7]), Y)
UP = np.exp(Y / 4)


def rows_of(splits: list[tuple[int, float]], x: np.ndarray) -> np.ndarray:
    """Rows of ``x``, and some on and beside these splits, with gaps and odd numbers."""
    draw = np.random.default_rng(1)
    chosen = draw.permutation(len(splits))[:40]
    cells = [(splits[at][0], value) for at in chosen for value in around(splits[at][1])]
    cells += [(at, v) for at in (0, 1, 2) for v in (np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e20, -2.5)]
    rows = x[draw.integers(len(x), size=len(cells))].copy()
    for row, (feature, value) in zip(rows, cells, strict=True):
        row[feature] = value
    return np.concatenate([x, x * draw.normal(1, 0.5, (len(x), 1)), rows])


def splits_of(frame: Any, feature: str, value: str) -> list[tuple[int, float]]:
    found = []
    for name, split in zip(frame[feature], frame[value], strict=True):
        if isinstance(name, str) and name != "Leaf":
            try:
                found.append((int(name.lstrip("fColumn_")), float(split)))
            except ValueError:
                continue
    return found


LIGHTGBM: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "regression": ({}, GAPS, Y),
    "binary": ({"objective": "binary", "sigmoid": 1.5}, GAPS, TWO),
    "multiclass": ({"objective": "multiclass", "num_class": 3}, X, THREE),
    "ova": ({"objective": "multiclassova", "num_class": 3}, X, THREE),
    "poisson": ({"objective": "poisson"}, X, UP),
    "sqrt": ({"objective": "regression", "reg_sqrt": True}, X, Y),
    "quantile": ({"objective": "quantile", "alpha": 0.2}, GAPS, Y),
    "gaps-unseen": ({}, X, Y),
    "no-gaps": ({"use_missing": False}, GAPS, Y),
    "sets": ({"categorical_feature": [0, 1], "max_cat_to_onehot": 1, "min_data_per_group": 2,
              "cat_smooth": 1}, CODES, Y),
    "dart": ({"boosting": "dart"}, X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", LIGHTGBM)
def test_a_compiled_lightgbm_model_answers_as_the_original(name: str) -> None:
    params, x, y = LIGHTGBM[name]
    given = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, **params}
    sets = given.pop("categorical_feature", "auto")
    table = lightgbm.Dataset(x, y, categorical_feature=sets)
    booster = lightgbm.train(given, table, 12)
    text = booster.model_to_string().encode()
    compiled = Compiled(lightgbm_runtime.load(io.BytesIO(text), "lightgbm"), x.shape[1])
    splits = splits_of(booster.trees_to_dataframe(), "split_feature", "threshold")
    assert not differences(compiled, rows_of(splits, x))


def test_a_lightgbm_model_that_takes_zero_for_missing_stays_with_the_original() -> None:
    params = {"verbosity": -1, "num_threads": 1, "zero_as_missing": True}
    booster = lightgbm.train(params, lightgbm.Dataset(np.round(X), Y), 3)
    content = io.BytesIO(booster.model_to_string().encode())
    with pytest.raises(NotCompiled) as refused:
        Compiled(lightgbm_runtime.load(content, "lightgbm"), 5)
    assert refused.value.reason == "zero-as-missing"


XGBOOST: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "regression": ({}, GAPS, Y),
    "binary": ({"objective": "binary:logistic"}, GAPS, TWO),
    "multi": ({"objective": "multi:softprob", "num_class": 3}, X, THREE),
    "poisson": ({"objective": "count:poisson"}, X, UP),
    "logistic": ({"objective": "reg:logistic"}, X, TWO),
    "forest": ({"num_parallel_tree": 3, "subsample": 0.5}, X, Y),
    "absolute": ({"objective": "reg:absoluteerror"}, X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", XGBOOST)
def test_a_compiled_xgboost_model_answers_as_the_original(name: str) -> None:
    params, x, y = XGBOOST[name]
    given = {"nthread": 1, "verbosity": 0, "max_depth": 4, **params}
    booster = xgboost.train(given, xgboost.DMatrix(x, y), 15)
    content = io.BytesIO(bytes(booster.save_raw("json")))
    compiled = Compiled(xgboost_runtime.load(content, "xgboost"), x.shape[1])
    splits = splits_of(booster.trees_to_dataframe(), "Feature", "Split")
    assert not differences(compiled, rows_of(splits, x))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_known_unknown_and_missing_categories_have_the_codes_of_training(library: str) -> None:
    table = WITH_CATEGORIES.set_axis(["kg", "size", "x", "town", "floor"], axis=1)
    table["town"] = table["town"].cat.rename_categories({"Köln": "Koeln"})
    if library == "lightgbm":
        data = lightgbm.Dataset(table, VALUE)
        params = {"verbosity": -1, "min_data_in_leaf": 4, "min_data_per_group": 2}
        booster = lightgbm.train({**params, "max_cat_to_onehot": 1}, data, 9)
        content = booster.model_to_string().encode()
        model: Any = lightgbm_runtime.load(io.BytesIO(content), "lightgbm")
    else:
        data = xgboost.DMatrix(table, VALUE, enable_categorical=True)
        booster = xgboost.train({"max_cat_to_onehot": 1}, data, 9)
        content = bytes(booster.save_raw("json"))
        model = xgboost_runtime.load(io.BytesIO(content), "xgboost")
    signature = signature_of(model)
    rows = table.astype(object).where(table.notna(), None)
    rows.loc[:4, "town"], rows.loc[5:9, "town"] = "nowhere", None
    rows.loc[7:12, "floor"], rows.loc[12:15, "floor"] = 4, None
    cells = {c.name: pa.array(rows[c.name], c.arrow, from_pandas=True) for c in signature.inputs}
    batch = pa.RecordBatch.from_pydict(cells, schema=signature.input_schema())
    assert not answers_differ(Compiled(model, 5, signature), batch)
