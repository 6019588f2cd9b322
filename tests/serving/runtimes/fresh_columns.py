"""Pipelines as people save them that begin at columns and texts; the others use these too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.experimental import enable_iterative_imputer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import (
    SelectKBest,
    f_classif,
)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import (
    ElasticNetCV,
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    RidgeCV,
    SGDClassifier,
)
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
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

from tests.serving.runtimes.fresh_tables import Fresh, Table

assert enable_iterative_imputer
TEXTS = ["place", "tier"]
NUMBERS = ["height", "price [€]", "visits"]


def columns(table: Table, numeric: object, encoder: object) -> ColumnTransformer:
    """Numbers one way, texts another, the rest as it is or not at all."""
    rest = table.pick("drop", "passthrough")
    return ColumnTransformer([("n", numeric, NUMBERS), ("t", encoder, TEXTS)], remainder=rest)


def logistic_on_one_hot(t: Table) -> Fresh:
    numeric = make_pipeline(SimpleImputer(strategy=t.pick("median", "mean")), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=t.pick(2, 5))
    last = LogisticRegression(C=t.pick(0.3, 3.0), class_weight="balanced", max_iter=500)
    return t.on_mixed(make_pipeline(columns(t, numeric, encoder), last), t.names)


def boosting_on_ordinals(t: Table) -> Fresh:
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    last = HistGradientBoostingClassifier(max_iter=8, categorical_features=[3, 4])
    return t.on_mixed(make_pipeline(columns(t, "passthrough", encoder), last), t.binary)


def ridge_on_target_encodings(t: Table) -> Fresh:
    numeric = make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler())
    encoder = TargetEncoder(smooth=t.pick("auto", 3.0), random_state=1)
    return t.on_mixed(make_pipeline(columns(t, numeric, encoder), RidgeCV()), t.amount)


def gamma_on_bins_and_splines(t: Table) -> Fresh:
    bins = KBinsDiscretizer(n_bins=4, strategy=t.pick("uniform", "quantile", "kmeans"))
    chosen = make_column_transformer(
        (make_pipeline(SimpleImputer(), SplineTransformer(n_knots=t.pick(3, 4))), ["price [€]"]),
        (bins, ["height"]),
    )
    return t.on_mixed(make_pipeline(chosen, GammaRegressor()), t.positive)


def network_on_quantiles(t: Table) -> Fresh:
    scale = t.pick(PowerTransformer(), QuantileTransformer(n_quantiles=20))
    last = MLPClassifier((6, 4), max_iter=20, activation=t.pick("relu", "tanh"), random_state=2)
    return t.on_names(make_pipeline(scale, last), t.names)


def elastic_net_on_polynomials(t: Table) -> Fresh:
    terms = PolynomialFeatures(2, interaction_only=t.pick(True, False), include_bias=False)
    return t.on_names(make_pipeline(StandardScaler(), terms, ElasticNetCV(cv=3)), t.amount)


def neighbours_on_imputed_neighbours(t: Table) -> Fresh:
    last = KNeighborsClassifier(4, weights="distance", metric=t.pick("manhattan", "euclidean"))
    chosen = make_column_transformer((KNNImputer(n_neighbors=3), make_column_selector("h|p.*€")))
    return t.on_mixed(make_pipeline(chosen, RobustScaler(), last), t.three)


def forest_on_iterated_imputations(t: Table) -> Fresh:
    chosen = make_column_transformer((IterativeImputer(max_iter=3, random_state=0), NUMBERS))
    last = RandomForestRegressor(7, max_features=t.pick(None, "sqrt", 0.7), random_state=3)
    return t.on_mixed(make_pipeline(chosen, last), t.amount)


def support_vectors_on_logarithms(t: Table) -> Fresh:
    logs = FunctionTransformer(np.log1p, inverse_func=np.expm1, feature_names_out="one-to-one")
    steps = (MinMaxScaler(), logs, SelectKBest(f_classif, k=3), svm.SVC(gamma=t.pick(0.1, "auto")))
    return t.on_names(make_pipeline(*steps), t.names)


def support_vectors_with_probabilities(t: Table) -> Fresh:
    return t.on_matrix(svm.SVC(probability=True, random_state=4, kernel="rbf"), t.binary)


def logistic_on_components(t: Table) -> Fresh:
    parts = make_union(PCA(2, whiten=t.pick(True, False)), SelectKBest(k=1))
    return t.on_names(make_pipeline(parts, LogisticRegressionCV(Cs=3, cv=3)), t.binary)


def topics_of_texts(t: Table) -> Fresh:
    parts = t.pick(TruncatedSVD(4, random_state=1), NMF(3, random_state=1, max_iter=400))
    words = TfidfVectorizer(sublinear_tf=True, max_df=0.9)
    return t.on_texts(make_pipeline(words, parts, LogisticRegression()), t.names)


def logistic_on_words(t: Table) -> Fresh:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, stop_words=t.pick(None, "english"))
    return t.on_texts(Pipeline([("w", words), ("m", LogisticRegression(C=4.0))]), t.names)


def descent_on_letters(t: Table) -> Fresh:
    letters = CountVectorizer(analyzer=t.pick("char", "char_wb"), ngram_range=(2, 3))
    last = SGDClassifier(loss="modified_huber", random_state=1, early_stopping=t.pick(True, False))
    return t.on_texts(make_pipeline(letters, TfidfTransformer(), last), t.names)


def bayes_on_words(t: Table) -> Fresh:
    return t.on_texts(make_pipeline(CountVectorizer(binary=True), ComplementNB()), t.names)


def calibrated_words(t: Table) -> Fresh:
    union = FeatureUnion([("w", TfidfVectorizer()), ("c", CountVectorizer(analyzer="char"))])
    last = CalibratedClassifierCV(svm.LinearSVC(), cv=3, method="sigmoid")
    return t.on_texts(make_pipeline(union, MaxAbsScaler(), last), t.binary)


def text_column_among_others(t: Table) -> Fresh:
    frame = t.mixed(missing=False).assign(review=t.texts())
    chosen = make_column_transformer(
        (TfidfVectorizer(), "review"), (OneHotEncoder(), TEXTS), (StandardScaler(), ["visits"])
    )
    last = SGDClassifier(loss="log_loss", random_state=0)
    return t.on_frame(make_pipeline(chosen, last), frame, t.binary)


def boosting_on_category_dtype(t: Table) -> Fresh:
    frame = t.mixed()[["tier", "height", "price [€]"]].astype({"tier": "category"})
    loss = t.pick("squared_error", "absolute_error")
    last = HistGradientBoostingRegressor(max_iter=9, loss=loss, categorical_features="from_dtype")
    return t.on_frame(last, frame, t.amount)


ON_COLUMNS: dict[str, Callable[[Table], Fresh]] = {
    make.__name__: make
    for make in (
        logistic_on_one_hot,
        boosting_on_ordinals,
        ridge_on_target_encodings,
        gamma_on_bins_and_splines,
        network_on_quantiles,
        elastic_net_on_polynomials,
        neighbours_on_imputed_neighbours,
        forest_on_iterated_imputations,
        support_vectors_on_logarithms,
        support_vectors_with_probabilities,
        logistic_on_components,
        topics_of_texts,
        logistic_on_words,
        descent_on_letters,
        bayes_on_words,
        calibrated_words,
        text_column_among_others,
        boosting_on_category_dtype,
    )
}
