"""Compiled kernels, clusters, mixtures and anomaly detectors answer as scikit-learn does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import cluster, mixture, svm
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.kernel_ridge import KernelRidge

from serving.runtimes.compiled.errors import NotCompiled
from tests.serving.runtimes.compiled.agreement import Compiled, differences, rows_for
from tests.serving.runtimes.compiled.tables import gaps, labels, numbers, target, targets

X = numbers() / numbers().std(axis=0)
FAR = X + 1000.0
TWO, THREE, FIVE = (labels(X, count) for count in (2, 3, 5))
Y, YS = target(X), targets(X)

CASES: dict[str, tuple[Any, np.ndarray, Any]] = {
    **{f"svc-{k}": (svm.SVC(kernel=k), X, FIVE) for k in ("linear", "rbf", "poly", "sigmoid")},
    "svc-2": (svm.SVC(), FAR, TWO),
    "svc-ovo": (svm.SVC(decision_function_shape="ovo"), X, THREE),
    "svc-ties": (svm.SVC(break_ties=True), X, FIVE),
    "nu-svc": (svm.NuSVC(nu=0.2), X, THREE),
    "svr": (svm.SVR(C=10), X, Y),
    "nu-svr": (svm.NuSVR(kernel="poly", degree=2), X, Y),
    "one-class": (svm.OneClassSVM(nu=0.2), X, None),
    "ridge-rbf": (KernelRidge(kernel="rbf", gamma=0.1), X, Y),
    "ridge-poly": (KernelRidge(kernel="poly", degree=2), X, YS),
    "k-means": (cluster.KMeans(4, n_init=1), X, None),
    "mini-k-means": (cluster.MiniBatchKMeans(3, n_init=1), X, None),
    "halving": (cluster.BisectingKMeans(5), X, None),
    "mean-shift": (cluster.MeanShift(bandwidth=2, bin_seeding=True), X[:90], None),
    "affinity": (cluster.AffinityPropagation(damping=0.9), X[:80], None),
    **{f"mixture-{t}": (mixture.GaussianMixture(3, covariance_type=t), X, None)
       for t in ("full", "tied", "diag", "spherical")},
    "bayes": (mixture.BayesianGaussianMixture(n_components=3, max_iter=30), X, None),
    "isolation": (IsolationForest(n_estimators=20), X, None),
    "isolation-part": (
        IsolationForest(n_estimators=15, contamination=0.1, max_features=3), gaps(), None
    ),
    "isolation-samples": (
        IsolationForest(n_estimators=15, contamination=0.1, max_samples=8), X[:201], None
    ),
    "envelope": (EllipticEnvelope(contamination=0.1), X, None),
}  # fmt: skip


def fitted(name: str) -> Any:
    estimator, x, y = CASES[name]
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(x, y)


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_model_answers_as_the_original(name: str) -> None:
    estimator, x = fitted(name), CASES[name][1]
    assert not differences(Compiled(estimator, x.shape[1]), rows_for(estimator, x))


def test_an_isolated_training_row_at_the_offset_keeps_its_label() -> None:
    estimator = fitted("isolation-samples")
    assert not differences(Compiled(estimator, 5), X)
    assert np.abs(estimator.decision_function(X)).min() < 1e-12


def test_a_support_vector_machine_with_probabilities_stays_with_the_original() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = svm.SVC(probability=True).fit(X, TWO)
    with pytest.raises(NotCompiled, match="libsvm") as refused:
        Compiled(estimator, 5)
    assert refused.value.reason == "platt"
