"""Compiled estimators that are made of others answer as scikit-learn does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import calibration, compose, ensemble, model_selection, multiclass, multioutput
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from serving.runtimes.compiled.errors import NotCompiled
from tests.serving.runtimes.compiled.agreement import Compiled, differences, rows_for
from tests.serving.runtimes.compiled.tables import (
    gaps,
    indicators,
    labels,
    numbers,
    target,
    targets,
)

X = numbers() / numbers().std(axis=0)
TWO, THREE, FIVE = (labels(X, count) for count in (2, 3, 5))
MANY, SEVERAL = indicators(X), np.stack([labels(X, 2), labels(X, 4, seed=1)], axis=1)
Y, YS = target(X), targets(X)
SOME = np.where(np.random.default_rng(0).random(len(X)) < 0.5, labels(X, 2), -1)

stump, tree, tree_regressor = (
    DecisionTreeClassifier(max_depth=1),
    DecisionTreeClassifier(max_depth=4),
    DecisionTreeRegressor(max_depth=4),
)
logistic, bayes, ridge = LogisticRegression(), GaussianNB(), Ridge()
classifiers = [("l", logistic), ("b", bayes), ("t", tree)]
regressors = [("l", LinearRegression()), ("t", tree_regressor), ("r", ridge)]
calibrated = calibration.CalibratedClassifierCV

CASES: dict[str, tuple[Any, np.ndarray, Any]] = {
    "bagging": (ensemble.BaggingClassifier(tree, 9, max_features=3), gaps(), THREE),
    "bagging-rare": (ensemble.BaggingClassifier(tree, 9, max_samples=6), X, FIVE),
    "bagging-linear": (ensemble.BaggingClassifier(logistic, 4, max_features=3), X, THREE),
    "bagging-votes": (ensemble.BaggingClassifier(RidgeClassifier(), 5), X, TWO),
    "bagging-regressor": (ensemble.BaggingRegressor(None, 9, max_features=2), X, Y),
    "bagging-ridge": (ensemble.BaggingRegressor(ridge, 4), X, Y),
    "ada-2": (ensemble.AdaBoostClassifier(n_estimators=15), X, TWO),
    "ada-3": (ensemble.AdaBoostClassifier(tree, n_estimators=12), X, THREE),
    "ada-linear": (ensemble.AdaBoostClassifier(logistic, n_estimators=5), X, FIVE),
    "ada-regressor": (ensemble.AdaBoostRegressor(n_estimators=12), X, Y),
    "ada-ridge": (ensemble.AdaBoostRegressor(ridge, n_estimators=5), X, Y),
    "soft": (ensemble.VotingClassifier(classifiers, voting="soft"), X, THREE),
    "soft-weights": (
        ensemble.VotingClassifier(classifiers, voting="soft", weights=[1, 2, 0.5]), X, TWO
    ),
    "hard": (ensemble.VotingClassifier(classifiers), X, FIVE),
    "hard-weights": (ensemble.VotingClassifier(classifiers, weights=[1, 2, 1]), X, THREE),
    "mean": (ensemble.VotingRegressor(regressors), X, Y),
    "mean-weights": (ensemble.VotingRegressor(regressors, weights=[1, 0.3, 2]), X, Y),
    "stack-2": (ensemble.StackingClassifier(classifiers), X, TWO),
    "stack-3": (ensemble.StackingClassifier(classifiers, passthrough=True), X, THREE),
    "stack-decisions": (
        ensemble.StackingClassifier([("s", LinearSVC()), ("b", bayes)], final_estimator=tree),
        X, FIVE,
    ),
    "stack-regressor": (ensemble.StackingRegressor(regressors), X, Y),
    "rest-2": (multiclass.OneVsRestClassifier(logistic), X, TWO),
    "rest-3": (multiclass.OneVsRestClassifier(bayes), X, THREE),
    "rest-5": (multiclass.OneVsRestClassifier(logistic), X * 9, FIVE),
    "rest-svc": (multiclass.OneVsRestClassifier(LinearSVC()), X, FIVE),
    "rest-labels": (multiclass.OneVsRestClassifier(logistic), X, MANY),
    "rest-constant": (multiclass.OneVsRestClassifier(tree), X, MANY * [1, 0, 1]),
    "pairs": (multiclass.OneVsOneClassifier(LinearSVC()), X, FIVE),
    "pairs-2": (multiclass.OneVsOneClassifier(logistic), X, TWO),
    "pairs-tree": (multiclass.OneVsOneClassifier(tree), X, THREE),
    "codes": (multiclass.OutputCodeClassifier(logistic, code_size=2), X, FIVE),
    "outputs": (multioutput.MultiOutputClassifier(tree), X, SEVERAL),
    "outputs-ridge": (multioutput.MultiOutputRegressor(ridge), X, YS),
    "chain": (multioutput.ClassifierChain(logistic, order=[2, 0, 1]), X, MANY),
    "chain-proba": (multioutput.ClassifierChain(bayes, chain_method="predict_proba"), X, MANY),
    "chain-regressor": (multioutput.RegressorChain(tree_regressor, order=[1, 2, 0]), X, YS),
    "sigmoid-2": (calibrated(LinearSVC(), cv=2), X, TWO),
    "sigmoid-3": (calibrated(tree, cv=2), X, THREE),
    "isotonic-2": (calibrated(bayes, method="isotonic", cv=3), X, TWO),
    "isotonic-5": (calibrated(logistic, method="isotonic", cv=2, ensemble=False), X, FIVE),
    "curve": (IsotonicRegression(out_of_bounds="clip"), X[:, :1], Y),
    "curve-nan": (IsotonicRegression(), X[:, 1:2], Y),
    "curve-raise": (IsotonicRegression(out_of_bounds="raise", increasing=False), X[:, :1], Y),
    "fixed": (model_selection.FixedThresholdClassifier(logistic, threshold=0.3), X, TWO),
    "fixed-decision": (
        model_selection.FixedThresholdClassifier(
            LinearSVC(), response_method="decision_function", pos_label=-1
        ), X, TWO,
    ),
    "tuned": (model_selection.TunedThresholdClassifierCV(tree, cv=2), X, TWO > 0),
    "trained": (SelfTrainingClassifier(tree), X, SOME),
    "target": (compose.TransformedTargetRegressor(ridge, func=np.log1p, inverse_func=np.expm1),
               X, np.exp(Y / 9)),
    "target-scaled": (
        compose.TransformedTargetRegressor(ridge, transformer=StandardScaler()), X, YS
    ),
    "target-plain": (compose.TransformedTargetRegressor(ridge), X, Y),
    "pls": (PLSRegression(2), X, YS),
    "pls-canonical": (PLSCanonical(2), X, YS),
    "cca": (CCA(1), X, Y),
    "distances": (make_pipeline(KMeans(4, n_init=1), logistic), X, THREE),
    "search": (model_selection.GridSearchCV(ridge, {"alpha": [0.1, 1]}, cv=2), X, Y),
}  # fmt: skip


def seeded(estimator: Any) -> Any:
    found = clone(estimator)
    names = [name for name in found.get_params() if name.endswith("random_state")]
    return found.set_params(**dict.fromkeys(names, 3))


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_model_answers_as_the_original(name: str) -> None:
    estimator, x, y = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = seeded(estimator).fit(x, y)
    assert not differences(Compiled(fitted, x.shape[1]), rows_for(fitted, x))


def test_a_member_that_is_not_compiled_keeps_the_whole_from_being_compiled() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        member = SVC(probability=True)
        fitted = ensemble.VotingClassifier([("s", member)], voting="soft").fit(X, TWO)
    with pytest.raises(NotCompiled) as refused:
        Compiled(fitted, 5)
    assert refused.value.reason == "platt"
