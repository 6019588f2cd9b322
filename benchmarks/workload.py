"""The reference models, what they are trained on, and the rows that they are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEED = 11
TABULAR_ROWS = 50_000
REGRESSION_ROWS = 2_000
EXAMPLE_ROWS = 200
NUMBERS = [f"n{i}" for i in range(10)]
TEXTS = ["city", "plan", "device", "segment"]
VALUES = {
    "city": [f"city {i}" for i in range(40)],
    "plan": ["free", "basic", "plus", "pro"],
    "device": ["phone", "tablet", "laptop"],
    "segment": [f"segment {i}" for i in range(12)],
}


@dataclass(frozen=True)
class Trained:
    """A fitted model, its joblib file, and the rows it may be asked (no value is missing there)."""

    name: str
    model: Any
    file: Path
    frame: pd.DataFrame


def trained(name: str, folder: Path) -> Trained:
    """The reference model of that name; its file is written into the folder."""
    model, frame = _fitted(name)
    path = folder / f"{name}.joblib"
    if not path.exists():
        joblib.dump(model, path)
    return Trained(name, model, path, frame)


@cache
def _fitted(name: str) -> tuple[Any, pd.DataFrame]:
    return MODELS[name]()


def _tabular() -> tuple[Any, pd.DataFrame]:
    """Ten numbers with gaps, four texts; impute, scale, one-hot, boosted trees."""
    random = np.random.default_rng(SEED)
    whole = pd.DataFrame(
        {name: random.normal(i, 1 + i, TABULAR_ROWS) for i, name in enumerate(NUMBERS)}
    )
    for name in TEXTS:
        whole[name] = random.choice(VALUES[name], TABULAR_ROWS)
    signal = (
        whole["n0"] + whole["n1"] * 0.4 + (whole["plan"] == "pro") - (whole["device"] == "phone")
    )
    labels = np.where(signal + random.normal(0, 1, TABULAR_ROWS) > 0.4, "yes", "no")
    gappy = whole.copy()
    gappy[NUMBERS] = whole[NUMBERS].mask(random.random((TABULAR_ROWS, len(NUMBERS))) < 0.1)
    steps = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
    )
    model = make_pipeline(steps, HistGradientBoostingClassifier(random_state=SEED))
    return model.fit(gappy, labels), whole


def _iris() -> tuple[Any, pd.DataFrame]:
    """Four numbers; scale, logistic regression."""
    found = load_iris(as_frame=True)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        found.data, found.target
    ), found.data


def _regression() -> tuple[Any, pd.DataFrame]:
    """Thirty numbers; a forest of 200 trees."""
    random = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        random.normal(size=(REGRESSION_ROWS, 30)), columns=[f"x{i}" for i in range(30)]
    )
    target = frame.to_numpy()[:, :5].sum(axis=1) + random.normal(0, 0.1, REGRESSION_ROWS)
    return RandomForestRegressor(200, random_state=SEED, n_jobs=None).fit(frame, target), frame


def _slow() -> tuple[Any, pd.DataFrame]:
    """Half a second for any row: thousands of small trees, asked one after the other."""
    random = np.random.default_rng(SEED)
    frame = pd.DataFrame(random.normal(size=(200, 4)), columns=list("abcd"))
    forest = RandomForestRegressor(6_000, max_depth=2, random_state=SEED)
    return forest.fit(frame, frame["a"] * 2), frame


MODELS: dict[str, Callable[[], tuple[Any, pd.DataFrame]]] = {
    "tabular": _tabular,
    "iris": _iris,
    "reg": _regression,
    "slow": _slow,
}


def rows_of(trained: Trained, requests: int, rows: int) -> list[list[dict[str, Any]]]:
    """Different rows for each of so many requests, as plain objects."""
    frame = trained.frame
    random = np.random.default_rng(SEED)
    picked = (random.integers(0, len(frame), rows) for _ in range(requests))
    return [frame.iloc[at].to_dict("records") for at in picked]
