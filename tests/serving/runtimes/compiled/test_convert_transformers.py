"""Transformers as graphs: what they make of ordinary and of strange rows is the original's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import FeatureAgglomeration
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSSVD
from sklearn.decomposition import PCA, FastICA, KernelPCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from serving.runtimes.compiled.convert import compile_graph
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn import SklearnModel
from tests.drawing import amount, seed
from tests.serving.runtimes.compiled import mixed_frames
from tests.serving.runtimes.compiled.comparing import Graph, batch_of, compared, signature_of
from tests.serving.runtimes.compiled.mixed_frames import NUMBERS, OTHERS, TEXTS

TAKE_GAPS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    MinMaxScaler((-1, 2)),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    MaxAbsScaler(clip=True),
    RobustScaler(quantile_range=(10, 90)),
    PowerTransformer(),
    PowerTransformer(standardize=False),
    QuantileTransformer(n_quantiles=50),
    QuantileTransformer(n_quantiles=240, output_distribution="normal"),
    VarianceThreshold(),
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant", fill_value=3.0),
    MissingIndicator(features="all"),
    MissingIndicator(error_on_new=False),
    FunctionTransformer(),
    FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())], transformer_weights={"a": 2}),
    ColumnTransformer(
        [("a", StandardScaler(), [3, 1]), ("b", "drop", [0])], remainder="passthrough"
    ),
]
NEED_ALL = [
    Normalizer(),
    Normalizer("l1"),
    Normalizer("max"),
    Binarizer(threshold=0.5),
    KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
    KBinsDiscretizer(strategy="uniform"),
    PolynomialFeatures(3),
    PolynomialFeatures((2, 3), interaction_only=True, include_bias=False),
    PCA(3, whiten=True),
    TruncatedSVD(2),
    FastICA(2, random_state=0, max_iter=1000),
    PLSSVD(1),
    RBFSampler(random_state=0),
    FeatureAgglomeration(2),
    SplineTransformer(),
    SplineTransformer(degree=2, n_knots=8, include_bias=False, knots="quantile"),
    SplineTransformer(extrapolation="linear"),
    SplineTransformer(extrapolation="error"),
    Nystroem(n_components=20, random_state=0),
    KernelPCA(3, kernel="rbf"),
    SelectKBest(k=2),
    SimpleImputer(missing_values=0.0),
]
FUNCTIONS = [
    np.log1p, np.expm1, np.log, np.log2, np.log10, np.exp, np.sqrt, np.square, np.abs, np.tanh,
    np.sin, np.cos, np.reciprocal, np.floor, np.ceil, np.sign,
]  # fmt: skip
ENCODERS = [
    OneHotEncoder(),
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="ignore", drop="first"),
    OneHotEncoder(drop="if_binary", sparse_output=False),
    OneHotEncoder(min_frequency=40, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(max_categories=3, handle_unknown="warn"),
    OneHotEncoder(max_categories=3, handle_unknown="ignore", drop="first"),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    OrdinalEncoder(min_frequency=40, handle_unknown="use_encoded_value", unknown_value=-1),
    TargetEncoder(random_state=0),
    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
]


def both_agree(estimator: Any, frame: pd.DataFrame) -> None:
    """On the rows of the fit, and on strange ones; rows that are refused raise in the original."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = SklearnModel(clone(estimator).fit(frame, mixed_frames.labels(frame)))
        signature = signature_of(model, frame)
        graph = Graph(compile_graph(model, signature), signature)
        assert not compared(model, graph, batch_of(signature, frame)).refused
        compared(model, graph, batch_of(signature, mixed_frames.strange(frame)))


@pytest.mark.parametrize("transformer", TAKE_GAPS, ids=repr)
def test_numbers_with_gaps_are_transformed_alike(transformer: Any) -> None:
    both_agree(transformer, mixed_frames.numbers(gaps=0.1))


@pytest.mark.parametrize("transformer", NEED_ALL, ids=repr)
def test_numbers_without_gaps_are_transformed_alike(transformer: Any) -> None:
    both_agree(transformer, mixed_frames.numbers())


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_functions_of_numpy_give_the_same_digits(function: Any) -> None:
    sizes = 10.0 ** np.random.default_rng(0).uniform(-12, 2.5, (mixed_frames.ROWS, 2))

    both_agree(FunctionTransformer(function), pd.DataFrame(sizes, columns=["a", "b"]))


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
@pytest.mark.parametrize("columns", [TEXTS, [*TEXTS, *OTHERS]], ids=["texts", "all types"])
def test_known_missing_and_unseen_categories_are_encoded_alike(
    encoder: Any, columns: list[str]
) -> None:
    frame = mixed_frames.others()[columns]
    if isinstance(encoder, Pipeline) and columns != TEXTS:
        pytest.skip("an imputer of mixed columns is tried by its own test")

    both_agree(encoder, frame)


def test_a_category_that_the_fit_never_saw_missing_differs_from_the_empty_text() -> None:
    frame = mixed_frames.others(gaps=0.0)[TEXTS]
    rows = frame.copy()
    rows.loc[::3, "s"] = None
    for known in ("ignore", "error"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SklearnModel(OneHotEncoder(handle_unknown=known).fit(frame))
            signature = signature_of(model, rows)
            graph = Graph(compile_graph(model, signature), signature)
            found = compared(model, graph, batch_of(signature, rows))
        assert bool(found.refused) == (known == "error")


def test_an_own_function_is_named_as_the_reason() -> None:
    frame = mixed_frames.numbers()
    model = SklearnModel(FunctionTransformer(np.cbrt).fit(frame))

    with pytest.raises(NotCompiled, match="cbrt") as refused:
        compile_graph(model, signature_of(model, frame))

    assert refused.value.reason == "own-function"


def drawn_pipeline(rng: np.random.Generator) -> Pipeline:
    """Something over mixed columns that people write."""

    def one(*choices: Any) -> Any:
        return clone(choices[int(rng.integers(len(choices)))])

    scaler = one(StandardScaler(), RobustScaler(), MinMaxScaler(), PowerTransformer())
    imputer = one(SimpleImputer(), SimpleImputer(strategy="median", add_indicator=True))
    numeric = one(make_pipeline(imputer, scaler), make_pipeline(scaler, imputer), imputer)
    encoder = one(
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(min_frequency=30, handle_unknown="infrequent_if_exist"),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder()),
        make_pipeline(SimpleImputer(strategy="most_frequent"), TargetEncoder(random_state=0)),
    )
    chosen = rng.permutation(NUMBERS)[: rng.integers(1, 6)].tolist()
    plain = ("passthrough", StandardScaler())[int(rng.integers(2))]
    columns = ColumnTransformer(
        [("numbers", numeric, chosen), ("texts", encoder, TEXTS), ("rest", plain, ["i", "flag"])]
    )
    final = one(
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(4, random_state=0),
    )
    return make_pipeline(columns, *([] if rng.random() < 0.5 else [VarianceThreshold()]), final)


@pytest.mark.parametrize("number", range(amount(120)))
def test_drawn_pipelines_over_mixed_columns_answer_alike(number: int) -> None:
    rng = np.random.default_rng(seed() + number)

    both_agree(drawn_pipeline(rng), mixed_frames.mixed(seed() + number))
