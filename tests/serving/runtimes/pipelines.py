"""Fitted scikit-learn objects of every kind, each with rows that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelEncoder,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM

N = 120
NAMES = ["petal length (cm)", "width [cm]", "größe", "d"]


@dataclass(frozen=True)
class Case:
    """``make`` fits the estimator; ``x`` is what it is asked in process; ``batch`` the same rows.

    ``form`` and ``methods`` are what the runtime must find out about it.
    """

    name: str
    make: Callable[[], Any]
    x: Any
    batch: pa.RecordBatch
    form: str
    kinds: tuple[str, ...] = ("prediction",)
    rtol: float = 1e-9


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def numbers(n: int = N, width: int = 4) -> np.ndarray:
    return rng().normal(size=(n, width))


def frame_of_numbers() -> pd.DataFrame:
    return pd.DataFrame(numbers(), columns=NAMES)


def mixed_frame(*, missing: bool = True) -> pd.DataFrame:
    r = rng()
    frame = pd.DataFrame(
        {
            "age": r.integers(18, 80, N).astype("float64"),
            "income (k€)": r.normal(50, 10, N),
            "city": r.choice(["Rome", "Oslo", "Lima"], N),
            "is_new": r.choice([True, False], N),
            "visits": r.integers(0, 9, N),
        }
    )
    if missing:
        frame.loc[::7, "age"] = np.nan
        frame.loc[::11, "city"] = np.nan
    return frame


def mixed_target() -> np.ndarray:
    frame = mixed_frame(missing=False)
    return ((frame["age"] > 45) ^ (frame["city"] == "Rome")).to_numpy()


def batch_of(frame: pd.DataFrame, types: dict[str, pa.DataType] | None = None) -> pa.RecordBatch:
    """The rows as the validator hands them over: nullable where something is missing."""
    fields, arrays = [], []
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        array = pa.Array.from_pandas(column, type=(types or {}).get(name))
        if pa.types.is_large_string(array.type):
            array = array.cast(pa.string())
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("us", "UTC"))
        fields.append(pa.field(name, array.type, nullable=array.null_count > 0))
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def matrix_batch(x: np.ndarray) -> pa.RecordBatch:
    names = [f"x{i}" for i in range(x.shape[1])]
    fields = [pa.field(n, pa.from_numpy_dtype(x.dtype), nullable=False) for n in names]
    arrays = [pa.array(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def text_batch(texts: list[str], name: str = "text") -> pa.RecordBatch:
    schema = pa.schema([pa.field(name, pa.string(), nullable=False)])
    return pa.RecordBatch.from_arrays([pa.array(texts)], schema=schema)


X = numbers()
Y3 = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5).astype(int)
YS = np.array(["no", "maybe", "yes"])[Y3]
YB = X[:, 0] + X[:, 2] > 0
YR = X @ np.array([1.0, -2.0, 0.5, 3.0]) + 1
YR2 = np.column_stack([YR, YR**2])
YM = np.column_stack([Y3, np.array(["a", "b"])[(X[:, 1] > 0).astype(int)] == "a"]).astype(int)
YL = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0]).astype(int)
TEXTS = ["good film", "bad film", "very good", "awful", "quite good film", "bad bad"] * 20
YT = np.array([1, 0, 1, 0, 1, 0] * 20)
PROBA = ("prediction", "probabilities")
DECISION = ("prediction", "probabilities", "decision")


def on_matrix(name: str, model: Any, y: Any = None, kinds: tuple[str, ...] = PROBA) -> Case:
    return Case(name, lambda: model.fit(X, y), X[:40], matrix_batch(X[:40]), "matrix", kinds)


def on_names(name: str, model: Any, y: Any = None, kinds: tuple[str, ...] = PROBA) -> Case:
    frame = frame_of_numbers()
    return Case(name, lambda: model.fit(frame, y), frame[:40], batch_of(frame[:40]), "frame", kinds)


def on_mixed(name: str, model: Any, kinds: tuple[str, ...] = PROBA, **kwargs: Any) -> Case:
    frame = mixed_frame(**kwargs)
    return Case(
        name,
        lambda: model.fit(frame, mixed_target()),
        frame[:40],
        batch_of(frame[:40]),
        "frame",
        kinds,
    )


def on_text(name: str, model: Any, kinds: tuple[str, ...] = PROBA) -> Case:
    texts = ["good", "what a bad film", "", "unseen words", "very good film"]
    return Case(
        name,
        lambda: model.fit(TEXTS, YT),
        np.array(texts, dtype=object),
        text_batch(texts),
        "series",
        kinds,
    )


def columns(missing: bool = True) -> ColumnTransformer:
    del missing
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income (k€)"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ("passthrough", ["is_new"]),
        remainder="drop",
    )


def classifiers() -> list[Case]:
    lr = LogisticRegression
    return [
        on_names("int labels", lr(), Y3, DECISION),
        on_matrix("string labels", lr(), YS, DECISION),
        on_names("bool labels", RandomForestClassifier(8, n_jobs=2, random_state=0), YB),
        on_matrix("float labels", lr(), Y3.astype(float), DECISION),
        on_matrix("one vs one SVC", SVC(decision_function_shape="ovo"), YS, ("decision",)),
        on_matrix("SVC with probabilities off", SVC(), Y3, ("prediction", "decision")),
        on_names("LinearSVC", LinearSVC(), YB, ("prediction", "decision")),
        on_matrix("boosting", HistGradientBoostingClassifier(max_iter=8), YS, DECISION),
        on_matrix("neighbours", KNeighborsClassifier(n_jobs=2), YS),
        on_names("naive bayes", GaussianNB(), YS),
        on_matrix("calibrated", CalibratedClassifierCV(LinearSVC(), cv=3), YS),
        on_names("voting", VotingClassifier([("a", lr()), ("b", GaussianNB())], voting="soft"), YS),
        on_matrix("stacking", StackingClassifier([("a", lr()), ("b", GaussianNB())], cv=2), YS),
        on_names("grid search", GridSearchCV(lr(), {"C": [0.1, 1]}, cv=2), YS, DECISION),
        on_matrix("one vs rest", OneVsRestClassifier(lr()), YS, DECISION),
        on_matrix("scaled", make_pipeline(StandardScaler(), PCA(2), lr()), YS, DECISION),
    ]


def regressors() -> list[Case]:
    log = TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh)
    one = ("prediction",)
    return [
        on_names("linear", LinearRegression(), YR, one),
        on_matrix("target of one column", LinearRegression(), YR[:, None], one),
        on_matrix("forest", RandomForestRegressor(8, n_jobs=2, random_state=0), YR, one),
        on_matrix("boosted", GradientBoostingRegressor(n_estimators=8), YR, one),
        on_matrix("svr", SVR(), YR, one),
        on_matrix("two outputs", LinearRegression(), YR2, one),
        on_matrix("two outputs of a forest", RandomForestRegressor(4, random_state=0), YR2, one),
        on_matrix("one regressor per output", MultiOutputRegressor(Ridge()), YR2, one),
        on_matrix("neighbours of two outputs", KNeighborsRegressor(), YR2, one),
        on_names("transformed target", log, YR, one),
    ]


def many_outputs() -> list[Case]:
    lr = LogisticRegression
    return [
        on_matrix("multi-output", MultiOutputClassifier(lr()), YM),
        on_matrix("multi-output forest", RandomForestClassifier(5, random_state=0), YM),
        on_matrix("multi-label", MultiOutputClassifier(lr()), YL),
        on_matrix("multi-label one vs rest", OneVsRestClassifier(lr()), YL, DECISION),
        on_matrix("multi-label neighbours", KNeighborsClassifier(), YL),
        on_matrix("multi-label network", MLPClassifier((5,), solver="lbfgs", max_iter=5000), YL),
        on_matrix("chain", ClassifierChain(lr()), YL, DECISION),
        on_matrix("multi-label ridge", RidgeClassifier(), YL, ("prediction", "decision")),
    ]


def without_labels() -> list[Case]:
    both = ("prediction", "decision")
    return [
        on_names("k-means", KMeans(3, n_init=1, random_state=0), None, ("prediction", "transform")),
        on_matrix(
            "mini batches", MiniBatchKMeans(3, n_init=1, random_state=0), None, ("prediction",)
        ),
        on_matrix("mixture", GaussianMixture(2, random_state=0), None, DECISION),
        on_names(
            "isolation forest",
            IsolationForest(n_estimators=8, n_jobs=2, random_state=0),
            None,
            both,
        ),
        on_matrix("one class", OneClassSVM(), None, both),
        on_matrix("envelope", EllipticEnvelope(random_state=0), None, both),
        on_matrix("local outliers", LocalOutlierFactor(novelty=True), None, both),
    ]


def transformers() -> list[Case]:
    one = ("transform", "prediction")
    frame = mixed_frame()[["city", "is_new"]]
    small = frame[:30]
    return [
        on_names("scaler", StandardScaler(), None, one),
        on_matrix("components", PCA(2), None, one),
        on_names("numpy function", FunctionTransformer(np.arctan), None, one),
        on_text("tf-idf", TfidfVectorizer(), one),
        Case(
            "one-hot",
            lambda: OneHotEncoder(handle_unknown="ignore").fit(frame),
            small,
            batch_of(small),
            "frame",
            one,
        ),
        Case(
            "imputed texts",
            lambda: SimpleImputer(strategy="most_frequent").fit(frame[["city"]]),
            small[["city"]],
            batch_of(small[["city"]]),
            "frame",
            one,
        ),
        on_mixed("columns alone", columns(), one),
        Case(
            "label encoder",
            lambda: LabelEncoder().fit(["a", "b", "c"]),
            np.array(["b", "c", "a"], dtype=object),
            text_batch(["b", "c", "a"], "label"),
            "series",
            one,
        ),
    ]


def on_columns() -> list[Case]:
    lr = LogisticRegression
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    with_text = ColumnTransformer(
        [("words", CountVectorizer(), "city"), ("rest", "passthrough", ["visits", "is_new"])]
    )
    return [
        on_mixed("mixed columns", make_pipeline(columns(), lr()), DECISION),
        on_mixed(
            "ordinal and boosting",
            make_pipeline(
                ColumnTransformer(
                    [("o", ordinal, ["city"])],
                    remainder="passthrough",
                ),
                HistGradientBoostingClassifier(max_iter=5),
            ),
        ),
        on_mixed("words of a column", make_pipeline(with_text, lr()), PROBA, missing=False),
        category_case(),
        none_case(),
        nullable_case(),
        datetime_case(),
        on_mixed(
            "voting over pipelines",
            VotingClassifier(
                [("a", make_pipeline(columns(), lr())), ("b", make_pipeline(columns(), lr()))]
            ),
            ("prediction",),
        ),
    ]


def category_case() -> Case:
    frame = mixed_frame()[["age", "city"]]
    frame["city"] = frame["city"].astype("category")
    model = HistGradientBoostingRegressor(max_iter=5, categorical_features="from_dtype")
    target = mixed_target().astype(float)
    return Case(
        "pandas categories",
        lambda: model.fit(frame, target),
        frame[:40],
        batch_of(frame[:40]),
        "frame",
        ("prediction",),
    )


def none_case() -> Case:
    """Fitted on None, which the encoder keeps as a category that NaN is not."""
    frame = mixed_frame()[["city"]].astype(object)
    frame["city"] = frame["city"].where(frame["city"].notna(), None)
    model = make_pipeline(OneHotEncoder(), LogisticRegression())
    return Case(
        "None as a category",
        lambda: model.fit(frame, mixed_target()),
        frame[:40],
        batch_of(frame[:40]),
        "frame",
        PROBA,
    )


def nullable_case() -> Case:
    """Whole numbers and booleans with something missing: float64 and objects in pandas."""
    frame = mixed_frame()[["visits", "is_new"]]
    frame["visits"] = frame["visits"].astype("float64")
    frame["is_new"] = frame["is_new"].astype(object)
    frame.loc[::5, "visits"] = np.nan
    frame.loc[::6, "is_new"] = np.nan
    model = make_pipeline(
        make_column_transformer(
            (SimpleImputer(strategy="median"), ["visits"]),
            (OneHotEncoder(handle_unknown="ignore"), ["is_new"]),
        ),
        LogisticRegression(),
    )
    batch = batch_of(frame[:40], {"visits": pa.int64(), "is_new": pa.bool_()})
    return Case(
        "nullable integers and booleans",
        lambda: model.fit(frame, mixed_target()),
        frame[:40],
        batch,
        "frame",
        PROBA,
    )


def datetime_case() -> Case:
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-01-01", "2026-06-01"] * 60), "v": X[:, 0]})
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["day"]), (StandardScaler(), ["v"])),
        LogisticRegression(),
    )
    return Case(
        "days without a zone",
        lambda: model.fit(frame, YB),
        frame[:40],
        batch_of(frame[:40]),
        "frame",
        PROBA,
    )


def other_inputs() -> list[Case]:
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    union = FeatureUnion([("w", TfidfVectorizer()), ("c", CountVectorizer(analyzer="char"))])
    rows = [{"city": "Rome", "age": 3.0}, {"city": "Oslo", "age": 5.0}, {"city": "Rome"}] * 10
    asked = [{"city": "Oslo", "age": 2.0}, {"city": "Rome"}, {"age": 9.0}]
    records = pa.RecordBatch.from_pydict(
        {"city": ["Oslo", "Rome", None], "age": [2.0, None, 9.0]},
        schema=pa.schema([("city", pa.string()), ("age", pa.float64())]),
    )
    digits = pa.RecordBatch.from_arrays(
        [pa.array(X[:10].tolist(), type=pa.list_(pa.float64()))], names=["pixels"]
    )
    return [
        on_text("text pipeline", words, DECISION),
        on_text("text union", make_pipeline(union, MultinomialNB())),
        Case(
            "dicts",
            lambda: make_pipeline(DictVectorizer(), LogisticRegression()).fit(rows, [1, 0, 1] * 10),
            asked,
            records,
            "records",
            PROBA,
        ),
        Case(
            "one tensor column",
            lambda: LogisticRegression().fit(X, YS),
            X[:10],
            digits,
            "matrix",
            PROBA,
        ),
        Case(
            "float32",
            lambda: PCA(2).fit(X.astype("float32")),
            X[:10].astype("float32"),
            matrix_batch(X[:10].astype("float32")),
            "matrix",
            ("transform",),
            rtol=1e-5,
        ),
        Case(
            "texts in a matrix",
            lambda: make_pipeline(OneHotEncoder(), LogisticRegression()).fit(
                np.array([["a", 1], ["b", 2]] * 10, dtype=object), [0, 1] * 10
            ),
            np.array([["b", 1], ["a", 2]], dtype=object),
            pa.RecordBatch.from_pydict(
                {"x0": ["b", "a"], "x1": [1, 2]},
                schema=pa.schema(
                    [pa.field("x0", pa.string(), False), pa.field("x1", pa.int64(), False)]
                ),
            ),
            "matrix",
            PROBA,
        ),
    ]


CASES: list[Case] = [
    *classifiers(),
    *regressors(),
    *many_outputs(),
    *without_labels(),
    *transformers(),
    *on_columns(),
    *other_inputs(),
]
