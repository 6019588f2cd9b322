"""Every estimator that was fitted and left alone passes the structural checks."""

from __future__ import annotations

import io
import os
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn import svm
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, FastICA, KernelPCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_approximation import Nystroem, PolynomialCountSketch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    NearestNeighbors,
    RadiusNeighborsClassifier,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from registry.scan.skops_families import families, parts, tables
from serving.runtimes.sklearn.opening import OPENERS
from serving.runtimes.sklearn.structure import check_structure
from tests.drawing import amount, seed
from tests.serving.runtimes.pipelines import CASES, Case

CORPUS = os.environ.get("MODELYARD_CORPUS")
X = np.random.default_rng(11).normal(size=(80, 5))
F32 = X.astype(np.float32)
ROWS = sparse.csr_matrix(np.where(X > 0.5, X, 0))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
YB = X[:, 0] > 0
YR = X[:, 0] * 2 + X[:, 2]
Y2 = np.column_stack([Y, YB])
LABELS = np.column_stack([YB, X[:, 2] > 0, X[:, 3] > 0]).astype(int)
WITH_GAPS = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
WORDS = np.array([["a", "x"], ["b", "y"], ["c", "y"], ["a", "z"]] * 20, dtype=object)

# What changes the shapes of fitted arrays: one class less, several outputs, sparse rows, float32,
# no intercept, another solver.
VARIANTS: dict[str, Callable[[], Any]] = {
    "binary": lambda: LogisticRegression().fit(X, YB),
    "without intercept": lambda: LogisticRegression(fit_intercept=False).fit(X, Y),
    "sparse coefficients": lambda: SGDClassifier().fit(X, Y).sparsify(),
    "linear machine": lambda: svm.LinearSVC(multi_class="crammer_singer").fit(X, YB),
    "machine without intercept": lambda: svm.LinearSVC(fit_intercept=False).fit(X, YB),
    "two targets": lambda: LinearRegression(fit_intercept=False).fit(X, X[:, :2]),
    "one target in a column": lambda: LinearRegression().fit(X, YR[:, None]),
    "labels of a ridge": lambda: RidgeClassifier().fit(X, LABELS),
    "two labels of a ridge": lambda: RidgeClassifier().fit(X, LABELS[:, :2]),
    "discriminant by least squares": lambda: LinearDiscriminantAnalysis(solver="lsqr").fit(X, Y),
    "discriminant by eigenvalues": lambda: LinearDiscriminantAnalysis(solver="eigen").fit(X, YB),
    "cross decomposition": lambda: PLSRegression(2).fit(X, X[:, :2]),
    "components by likelihood": lambda: PCA("mle").fit(X),
    "whitened sources": lambda: FastICA(2, whiten=False).fit(X),
    "kernel of rows": lambda: KernelPCA(2, kernel="precomputed").fit(X @ X.T),
    "kernel that comes back": lambda: KernelPCA(2, fit_inverse_transform=True).fit(X),
    "sparse kernel": lambda: KernelRidge(kernel="linear").fit(ROWS, YR),
    "sparse landmarks": lambda: Nystroem(n_components=7).fit(ROWS),
    "sketch": lambda: PolynomialCountSketch(degree=3, coef0=1).fit(X),
    "full": lambda: GaussianMixture(3).fit(X),
    "tied": lambda: GaussianMixture(3, covariance_type="tied").fit(X),
    "diagonal": lambda: GaussianMixture(3, covariance_type="diag").fit(X),
    "spherical": lambda: BayesianGaussianMixture(n_components=3, covariance_type="spherical").fit(
        X
    ),
    "process of two outputs": lambda: GaussianProcessRegressor().fit(X, X[:, :2]),
    "process before its fit": lambda: GaussianProcessRegressor(normalize_y=True).fit(X, YR),
    "bits": lambda: BernoulliNB().fit(X > 0, YB),
    "categories of naive Bayes": lambda: CategoricalNB().fit((X > 0).astype(int), Y),
    "constant": lambda: DummyClassifier(strategy="constant", constant=1).fit(X, Y),
    "quantiles of two": lambda: DummyRegressor(strategy="median").fit(X, X[:, :2]),
    "tree of two outputs": lambda: DecisionTreeClassifier().fit(X, Y2),
    "tree that was pruned": lambda: DecisionTreeClassifier(ccp_alpha=0.02).fit(X, Y),
    "tree by best leaf": lambda: DecisionTreeClassifier(max_leaf_nodes=5).fit(X, Y),
    "tree of gaps": lambda: DecisionTreeClassifier().fit(WITH_GAPS, Y),
    "tree of one leaf": lambda: DecisionTreeClassifier().fit(X, np.zeros(80)),
    "forest of two outputs": lambda: RandomForestClassifier(3).fit(X, Y2),
    "forest of sparse rows": lambda: ExtraTreesClassifier(3).fit(ROWS, Y),
    "forest of regression": lambda: RandomForestRegressor(3).fit(WITH_GAPS, X[:, :2]),
    "boosting of two": lambda: GradientBoostingClassifier(n_estimators=3).fit(X, YB),
    "boosting from zero": lambda: GradientBoostingClassifier(n_estimators=3, init="zero").fit(X, Y),
    "boosting from a model": lambda: GradientBoostingClassifier(
        n_estimators=3, init=LogisticRegression()
    ).fit(X, Y),
    "boosting by shares": lambda: GradientBoostingClassifier(
        n_estimators=3, subsample=0.5, n_iter_no_change=2
    ).fit(X, Y),
    "bins of gaps": lambda: HistGradientBoostingClassifier(
        max_iter=3, early_stopping=True, max_bins=9
    ).fit(WITH_GAPS, Y),
    "bins of one class": lambda: HistGradientBoostingClassifier(max_iter=1).fit(X, YB),
    "isolation of sparse rows": lambda: IsolationForest(n_estimators=3).fit(ROWS),
    "bags of columns": lambda: BaggingClassifier(
        n_estimators=3, max_features=0.6, bootstrap_features=True
    ).fit(X, Y),
    "centres of sparse rows": lambda: KMeans(3, n_init=1).fit(ROWS),
    "centres of float32": lambda: KMeans(3, n_init=1).fit(F32),
    "one centre": lambda: MiniBatchKMeans(1, n_init=1).fit(X),
    "halves of sparse rows": lambda: BisectingKMeans(4).fit(ROWS),
    "halves in one": lambda: BisectingKMeans(1).fit(X),
    "votes on two outputs": lambda: KNeighborsClassifier().fit(X, Y2),
    "votes of sparse rows": lambda: KNeighborsClassifier().fit(ROWS, Y),
    "votes of float32": lambda: KNeighborsClassifier(algorithm="ball_tree").fit(F32, Y),
    "votes by distance matrix": lambda: KNeighborsClassifier(metric="precomputed").fit(
        np.abs(X @ X.T), Y
    ),
    "votes of a column": lambda: KNeighborsClassifier().fit(X, Y[:, None]),
    "votes with weights": lambda: NearestNeighbors(
        metric="minkowski", metric_params={"w": np.ones(5)}, algorithm="ball_tree"
    ).fit(X),
    "votes in a radius": lambda: RadiusNeighborsClassifier(9.0, outlier_label=1).fit(X, Y),
    "mahalanobis": lambda: NearestNeighbors(
        metric="mahalanobis", metric_params={"VI": np.eye(5)}, algorithm="ball_tree"
    ).fit(X),
    "haversine": lambda: NearestNeighbors(metric="haversine").fit(X[:, :2]),
    "density with weights": lambda: KernelDensity(leaf_size=3).fit(X, None, np.arange(1, 81)),
    "two points": lambda: NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(X[:2]),
    "network of float32": lambda: MLPClassifier((3,), solver="sgd", max_iter=2000).fit(F32, YB),
    "network without a layer": lambda: MLPRegressor(hidden_layer_sizes=(), solver="lbfgs").fit(
        X, X[:, :2]
    ),
    "network of labels": lambda: MLPClassifier((4, 3), solver="lbfgs", max_iter=5000).fit(
        X, LABELS
    ),
    "machine of sparse rows": lambda: svm.SVC().fit(ROWS, Y),
    "sparse machine of two": lambda: svm.NuSVC().fit(ROWS, YB),
    "machine of a kernel matrix": lambda: svm.SVC(kernel="precomputed").fit(X @ X.T, Y),
    "machine of a polynomial": lambda: svm.NuSVR(kernel="poly").fit(ROWS, YR),
    "machine of one class": lambda: svm.OneClassSVM(nu=0.1).fit(ROWS),
    "machine of one sparse vector": lambda: svm.SVR(epsilon=5).fit(ROWS, YR),
    "one-hot without the first": lambda: OneHotEncoder(drop="first").fit(WORDS),
    "one-hot of two": lambda: OneHotEncoder(drop="if_binary").fit(WORDS),
    "rare categories": lambda: OneHotEncoder(min_frequency=25, sparse_output=False).fit(WORDS),
    "rare and dropped": lambda: OneHotEncoder(max_categories=2, drop="first").fit(WORDS),
    "rare ordinals": lambda: OrdinalEncoder(
        max_categories=2, handle_unknown="use_encoded_value", unknown_value=-1
    ).fit(WORDS),
    "targets of many classes": lambda: TargetEncoder(shuffle=False).fit(WORDS, Y),
    "targets": lambda: TargetEncoder().fit(WORDS, YR),
    "bins of one column": lambda: KBinsDiscretizer(3, encode="onehot-dense", strategy="kmeans").fit(
        X[:, :1]
    ),
    "ordinal bins": lambda: KBinsDiscretizer(4, encode="ordinal", strategy="uniform").fit(X),
    "periodic splines": lambda: SplineTransformer(degree=2, extrapolation="periodic").fit(X),
    "sparse splines": lambda: SplineTransformer(n_knots=4, sparse_output=True).fit(X),
    "all gaps": lambda: StandardScaler().fit(np.full((4, 2), np.nan)),
    "neither mean nor scale": lambda: StandardScaler(with_mean=False, with_std=False).fit(X),
    "columns by a slice": lambda: make_column_transformer(
        (StandardScaler(), slice(0, 2)), ("passthrough", [3]), ("drop", [4]), (PCA(1), [])
    ).fit(X),
    "one model per label": lambda: MultiOutputClassifier(svm.SVC(probability=True)).fit(X, LABELS),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """scikit-learn warns of what it will change and of fits that have not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", VARIANTS)
def test_every_choice_that_changes_the_shapes_passes(name: str) -> None:
    check_structure(VARIANTS[name]())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_model_of_the_runtime_passes(case: Case) -> None:
    check_structure(case.make())


def drawn(things: list[Any]) -> list[Any]:
    return random.Random(seed()).sample(things, amount(len(things)))


def test_every_estimator_of_scikit_learn_passes_in_the_variants_of_its_own_checks() -> None:
    fitted = 0
    for _, kind in drawn(all_estimators()):
        for instance in constructed(kind):
            for features, target in tables():
                try:  # this table does not suit it; another one may
                    model = instance.fit(features, target)
                except Exception:
                    continue
                check_structure(model)
                fitted += 1
    assert fitted > amount(400)


def constructed(kind: type) -> list[Any]:
    try:
        return list(_construct_instances(kind))
    except Exception:  # an estimator that takes others
        return []


def test_families_of_ordinary_choices_pass() -> None:
    passed = 0
    for instance in drawn(list(families())):
        for features, target in tables():
            try:  # as above
                model = instance.fit(features, target)
            except Exception:
                continue
            check_structure(model)
            passed += 1
    for part in parts():
        check_structure(part)
    assert passed


def benign() -> list[Path]:
    return sorted((Path(CORPUS) / "benign_estimators").glob("*.joblib")) if CORPUS else []


@pytest.mark.skipif(not CORPUS, reason="MODELYARD_CORPUS names no folder")
def test_the_benign_files_of_the_corpus_pass() -> None:
    paths = drawn(benign())
    assert paths
    for path in paths:
        check_structure(OPENERS["joblib"](io.BytesIO(path.read_bytes())))
