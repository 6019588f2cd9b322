"""Compiled linear models, discriminants, naive Bayes and networks answer as scikit-learn does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import discriminant_analysis, dummy, linear_model, naive_bayes, neural_network, svm
from sklearn.base import clone

from tests.serving.runtimes.compiled.agreement import Compiled, differences, rows_for
from tests.serving.runtimes.compiled.tables import indicators, labels, numbers, target, targets

X = numbers()
COUNTS = np.round(np.abs(X))
TWO, THREE, FIVE = (labels(X, count) for count in (2, 3, 5))
MANY = indicators(X)
Y, YS = target(X), targets(X)
UP = np.exp(Y / 4)

REGRESSORS = [
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "Lasso",
    "LassoCV",
    "ElasticNet",
    "ElasticNetCV",
    "Lars",
    "LarsCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "BayesianRidge",
    "ARDRegression",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "HuberRegressor",
    "TheilSenRegressor",
    "QuantileRegressor",
    "SGDRegressor",
    "PassiveAggressiveRegressor",
    "RANSACRegressor",
]
MULTITASK = ["MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"]
CLASSIFIERS = [
    "LogisticRegression",
    "LogisticRegressionCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "SGDClassifier",
]
lda = discriminant_analysis.LinearDiscriminantAnalysis
qda = discriminant_analysis.QuadraticDiscriminantAnalysis
mlp, mlpr = neural_network.MLPClassifier, neural_network.MLPRegressor
sgd = linear_model.SGDClassifier

Case = tuple[Any, np.ndarray, np.ndarray]
CASES: dict[str, Case] = {
    **{name: (getattr(linear_model, name), X, Y) for name in REGRESSORS},
    **{name: (getattr(linear_model, name), X, YS) for name in MULTITASK},
    **{f"{name}-2": (getattr(linear_model, name), X, TWO) for name in CLASSIFIERS},
    **{f"{name}-3": (getattr(linear_model, name), X, THREE) for name in CLASSIFIERS},
    "several": (linear_model.Ridge(), X, YS),
    "no-intercept": (linear_model.LinearRegression(fit_intercept=False), X, Y),
    "poisson": (linear_model.PoissonRegressor(), X / 30, UP),
    "gamma": (linear_model.GammaRegressor(), X / 30, UP),
    "tweedie": (linear_model.TweedieRegressor(power=1.5, link="log"), X / 30, UP),
    "tweedie-identity": (linear_model.TweedieRegressor(power=0), X / 30, UP),
    "ridge-labels": (linear_model.RidgeClassifier(), X, MANY),
    "sgd-log-2": (sgd(loss="log_loss"), X, TWO),
    "sgd-log-5": (sgd(loss="log_loss"), X, FIVE),
    "sgd-huber-2": (sgd(loss="modified_huber"), X, TWO),
    "sgd-huber-5": (sgd(loss="modified_huber"), X, FIVE),
    "sgd-one-class": (linear_model.SGDOneClassSVM(), X, TWO),
    "svc": (svm.LinearSVC(), X, FIVE),
    "svc-2": (svm.LinearSVC(), X, TWO),
    "svr": (svm.LinearSVR(), X, Y),
    **{f"lda-{s}-2": (lda(solver=s), X, TWO) for s in ("svd", "eigen")},
    "lda-3": (lda(), X, THREE),
    "lda-5": (lda(n_components=2, solver="eigen"), X, FIVE),
    "qda-2": (qda(), X, TWO),
    "qda-3": (qda(reg_param=0.1), X, THREE),
    "gaussian": (naive_bayes.GaussianNB(), X, FIVE),
    "gaussian-2": (naive_bayes.GaussianNB(), X, TWO),
    "multinomial": (naive_bayes.MultinomialNB(), COUNTS, FIVE),
    "complement": (naive_bayes.ComplementNB(norm=True), COUNTS, THREE),
    "bernoulli": (naive_bayes.BernoulliNB(binarize=0.3), X, THREE),
    "categorical": (naive_bayes.CategoricalNB(), np.minimum(COUNTS, 6), FIVE),
    **{f"mlp-{a}": (mlp((7,), a, max_iter=20), X, THREE)
       for a in ("relu", "tanh", "logistic", "identity")},
    "mlp-2": (mlp((5, 4), max_iter=20), X, TWO),
    "mlp-labels": (mlp((5,), max_iter=20), X, MANY),
    "mlpr": (mlpr(hidden_layer_sizes=(6, 3), max_iter=20), X, Y),
    "mlprs": (mlpr(hidden_layer_sizes=(6,), max_iter=20, activation="tanh"), X, YS),
    "dummy-mean": (dummy.DummyRegressor(), X, YS),
    "dummy-median": (dummy.DummyRegressor(strategy="quantile", quantile=0.3), X, Y),
    "dummy-prior": (dummy.DummyClassifier(), X, THREE),
    "dummy-constant": (dummy.DummyClassifier(strategy="constant", constant=3), X, FIVE),
    "dummy-outputs": (dummy.DummyClassifier(strategy="most_frequent"), X, MANY),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_model_answers_as_the_original(name: str) -> None:
    made, x, y = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that go, and of fits that were cut short
        fitted = made() if isinstance(made, type) else clone(made)
        if "random_state" in fitted.get_params():
            fitted.set_params(random_state=3)
        fitted.fit(x, y)
    assert not differences(Compiled(fitted, x.shape[1]), rows_for(fitted, x))
