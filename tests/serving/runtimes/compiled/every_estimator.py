"""Every estimator of scikit-learn fitted on data that suit it, and rows to ask it about."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import is_classifier, is_regressor
from sklearn.experimental import (
    enable_halving_search_cv,  # noqa: F401  # makes estimators that all_estimators tells then
    enable_iterative_imputer,  # noqa: F401
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

ROWS, ASKED, WIDTH = 200, 300, 4
NAMES = [f"x{i}" for i in range(WIDTH)]
PLACES = np.array(["Oslo", "Rome", "Łódź", ""], object)

_RNG = np.random.default_rng(20260131)
NUMBERS = _RNG.normal(size=(ROWS + ASKED, WIDTH)) * [1.0, 3.0, 0.5, 2.0]
SIGNAL = NUMBERS[:, 0] - NUMBERS[:, 1] / 3 + NUMBERS[:, 2] ** 2
CLASSES = np.array(["low", "middle", "high"])[np.digitize(SIGNAL, [-0.5, 0.5])]
BINARY = (SIGNAL > 0).astype(int)
POSITIVE = np.abs(NUMBERS) + 0.1
COUNTS = np.floor(POSITIVE * 3)
TWO = np.column_stack([SIGNAL, SIGNAL**2])
FLAGS = np.column_stack([SIGNAL > 0, NUMBERS[:, 1] > 0]).astype(int)

# What a constructor needs, or what makes a fit quick and repeatable.
_GIVEN: dict[str, dict[str, Any]] = {
    "FixedThresholdClassifier": {"estimator": LogisticRegression()},
    "FrozenEstimator": {"estimator": None},
    "FunctionTransformer": {"func": np.log1p},
    "GridSearchCV": {"estimator": Ridge(), "param_grid": {"alpha": [0.1, 1.0]}, "cv": 2},
    "HalvingGridSearchCV": {
        "estimator": Ridge(), "param_grid": {"alpha": [0.1, 1.0]}, "cv": 2, "random_state": 0,
    },
    "HalvingRandomSearchCV": {
        "estimator": Ridge(), "param_distributions": {"alpha": [0.1, 1.0]}, "cv": 2,
        "n_candidates": 2, "random_state": 0,
    },
    "RandomizedSearchCV": {
        "estimator": Ridge(), "param_distributions": {"alpha": [0.1, 1.0]}, "n_iter": 2, "cv": 2,
    },
    "ColumnTransformer": {"transformers": [("scaled", StandardScaler(), [0, 2])]},
    "FeatureUnion": {"transformer_list": [("scaled", StandardScaler())]},
    "Pipeline": {"steps": [("scaled", StandardScaler()), ("line", Ridge())]},
    "HistGradientBoostingClassifier": {"max_iter": 10},
    "HistGradientBoostingRegressor": {"max_iter": 10},
    "KBinsDiscretizer": {"quantile_method": "averaged_inverted_cdf"},
    "MultiTaskElasticNet": {"alpha": 0.1},
    "QuantileTransformer": {"n_quantiles": 50},
    "OrthogonalMatchingPursuitCV": {"max_iter": 3},
    "RFE": {"n_features_to_select": 2},
    "RFECV": {"cv": 2},
    "LogisticRegressionCV": {"Cs": 3, "cv": 2},
    "SelectKBest": {"k": 2},
    "SparseCoder": {"dictionary": np.eye(WIDTH)},
    "SpectralBiclustering": {"n_best": 1, "n_components": 2},
    "TSNE": {"perplexity": 5, "max_iter": 250},
    "VotingClassifier": {"estimators": [("a", LogisticRegression())], "voting": "soft"},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", Ridge(2.0))]},
    "StackingClassifier": {"estimators": [("a", LogisticRegression())], "cv": 2},
    "StackingRegressor": {"estimators": [("a", Ridge())], "cv": 2},
    "SelfTrainingClassifier": {"estimator": LogisticRegression()},
    "RANSACRegressor": {"estimator": Ridge(), "min_samples": 20},
}  # fmt: skip
_ON_CLASSIFIER = {
    "CalibratedClassifierCV", "ClassifierChain", "MultiOutputClassifier", "OneVsOneClassifier",
    "OneVsRestClassifier", "OutputCodeClassifier", "TunedThresholdClassifierCV",
    "RFECV", "SelectFromModel", "SequentialFeatureSelector", "RFE",
}  # fmt: skip
_ON_REGRESSOR = {"MultiOutputRegressor", "RegressorChain", "TransformedTargetRegressor"}
_SMALL = {
    "n_estimators": 8, "n_iter_no_change": None, "n_components": 2, "random_state": 0, "n_init": 1,
    "n_clusters": 3, "max_iter": 200,
}  # fmt: skip
_POSITIVE = {
    "MultinomialNB", "ComplementNB", "CategoricalNB", "NMF", "MiniBatchNMF", "AdditiveChi2Sampler",
    "SkewedChi2Sampler", "LatentDirichletAllocation", "FunctionTransformer",
    "TfidfTransformer", "BernoulliRBM",
}  # fmt: skip
_TWO_OUTPUTS = {
    "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV",
    "CCA", "PLSCanonical", "PLSSVD", "MultiOutputRegressor", "RegressorChain",
}  # fmt: skip
_FLAGS = {"MultiOutputClassifier", "ClassifierChain"}
_BINARY = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}
_ABOVE_ZERO = {"PoissonRegressor", "GammaRegressor", "TweedieRegressor"}
_TEXTS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
_LABELS = {"LabelEncoder", "LabelBinarizer"}
_CATEGORIES = {"OneHotEncoder", "OrdinalEncoder", "TargetEncoder"}


def names() -> list[str]:
    """All of them, in the order of the alphabet."""
    return [name for name, _ in all_estimators()]


def fitted(name: str) -> tuple[Any, pa.RecordBatch]:
    """One of them, fitted, and 300 rows to ask it about. Raises whatever the fit raises."""
    made = _special(name)
    if made is not None:
        return made
    x = POSITIVE if name in _POSITIVE else NUMBERS
    x = COUNTS if name in ("MultinomialNB", "ComplementNB", "CategoricalNB") else x
    x = x[:, :1] if name == "IsotonicRegression" else x
    estimator = _made(name)
    np.random.seed(0)  # for what draws from numpy's own state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = estimator.fit(x[:ROWS], _target(name, estimator))
    return fit, matrix(x[ROWS:])


def _made(name: str) -> Any:
    kind = dict(all_estimators())[name]
    given = dict(_GIVEN.get(name, {}))
    if name in _ON_CLASSIFIER:
        given["estimator"] = LogisticRegression()
    if name in _ON_REGRESSOR:
        given["regressor" if name == "TransformedTargetRegressor" else "estimator"] = Ridge()
    if name == "FrozenEstimator":
        given["estimator"] = LogisticRegression().fit(NUMBERS[:ROWS], CLASSES[:ROWS])
    known = inspect.signature(kind).parameters
    small = {key: value for key, value in _SMALL.items() if key in known and value is not None}
    if name in ("PLSCanonical", "CCA", "PLSSVD"):
        small["n_components"] = 1
    return kind(**{**small, **given})


def _target(name: str, estimator: Any) -> Any:
    if name in _TWO_OUTPUTS:
        return TWO[:ROWS]
    if name in _FLAGS:
        return FLAGS[:ROWS]
    if name in _BINARY:
        return BINARY[:ROWS]
    if name == "SelfTrainingClassifier":
        return np.where(np.arange(ROWS) % 4, BINARY[:ROWS], -1)
    if name in _ABOVE_ZERO:
        return np.exp(SIGNAL[:ROWS] / 4)
    if is_regressor(estimator) or name == "Pipeline" or name.endswith("SearchCV"):
        return SIGNAL[:ROWS]
    return CLASSES[:ROWS] if is_classifier(estimator) else BINARY[:ROWS]


def _special(name: str) -> tuple[Any, pa.RecordBatch] | None:
    """What is fitted on texts, labels, dicts or categories."""
    kind: Callable[..., Any] = dict(all_estimators())[name]
    if name in _TEXTS:
        texts = [f"{a} and {b}" for a, b in zip(CLASSES, PLACES[BINARY], strict=True)]
        return kind().fit(texts[:ROWS]), texts_batch(texts[ROWS:])
    if name in _LABELS:
        return kind().fit(CLASSES[:ROWS]), texts_batch(CLASSES[ROWS:].tolist())
    if name == "DictVectorizer":
        rows = [{"place": place, "size": size} for place, size in zip(CLASSES, SIGNAL, strict=True)]
        frame = pd.DataFrame(rows[ROWS:])
        return kind().fit(rows[:ROWS]), pa.RecordBatch.from_pandas(frame)
    if name in _CATEGORIES:
        frame = categories()
        target = BINARY[:ROWS] if name == "TargetEncoder" else None
        return kind().fit(frame[:ROWS], target), frame_batch(frame[ROWS:])
    if name == "MultiLabelBinarizer":
        return kind().fit([["a", "b"], ["a"]]), texts_batch(["a", "b"])
    if name == "KernelCenterer":
        square = NUMBERS[:ROWS] @ NUMBERS[:ROWS].T
        return kind().fit(square), matrix(square)
    if name in ("SimpleImputer", "MissingIndicator", "KNNImputer", "IterativeImputer"):
        holes = np.where(_RNG_HOLES < 0.1, np.nan, NUMBERS)
        return kind().fit(holes[:ROWS]), matrix(holes[ROWS:])
    return None


_RNG_HOLES = np.random.default_rng(7).random(NUMBERS.shape)


def categories() -> pd.DataFrame:
    """Texts with missing ones, whole numbers, truth values."""
    rng = np.random.default_rng(3)
    places = pd.Series(PLACES[rng.integers(0, len(PLACES), len(NUMBERS))], dtype="str")
    places[rng.random(len(NUMBERS)) < 0.2] = None
    ranks = rng.integers(0, 5, len(NUMBERS))
    return pd.DataFrame({"place": places, "rank": ranks, "new": BINARY > 0})


def matrix(x: np.ndarray) -> pa.RecordBatch:
    """Columns x0, x1, ..., nullable where one of them is NaN."""
    fields = [
        pa.field(f"x{at}", pa.float64(), nullable=bool(np.isnan(x[:, at]).any()))
        for at in range(x.shape[1])
    ]
    arrays = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in x.T]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def texts_batch(texts: list[str]) -> pa.RecordBatch:
    """One column of texts."""
    schema = pa.schema([pa.field("text", pa.string(), nullable=False)])
    return pa.RecordBatch.from_arrays([pa.array(texts)], schema=schema)


def frame_batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """Nullable where something is missing."""
    arrays = [pa.Array.from_pandas(frame[name]) for name in frame.columns]
    arrays = [a.cast(pa.string()) if pa.types.is_large_string(a.type) else a for a in arrays]
    fields = [
        pa.field(str(name), array.type, nullable=array.null_count > 0)
        for name, array in zip(frame.columns, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
