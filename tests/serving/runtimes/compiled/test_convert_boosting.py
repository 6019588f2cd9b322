"""Compiled boosted trees answer as scikit-learn does, also on thresholds and beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from tests.serving.runtimes.compiled.agreement import Compiled, differences, rows_for
from tests.serving.runtimes.compiled.tables import gaps, labels, numbers, target

X, GAPS = numbers(), gaps()
CODES = np.column_stack([np.round(np.abs(gaps(2, seed=4) * 9)) % 90, gaps(3, seed=5)])
TWO, THREE, FIVE = (labels(X, count) for count in (2, 3, 5))
Y = target(X)
UP = np.exp(Y / 4)

ESTIMATORS: dict[str, tuple[Any, np.ndarray, np.ndarray]] = {
    "two": (GradientBoostingClassifier(n_estimators=15), X, TWO),
    "three": (GradientBoostingClassifier(n_estimators=8), X, THREE),
    "exponential": (GradientBoostingClassifier(n_estimators=8, loss="exponential"), X, TWO),
    "zero": (GradientBoostingClassifier(n_estimators=8, init="zero"), X, FIVE),
    "regressor": (GradientBoostingRegressor(n_estimators=15), X, Y),
    "huber": (GradientBoostingRegressor(n_estimators=6, loss="huber", subsample=0.7), X, Y),
    "start": (GradientBoostingRegressor(n_estimators=6, init=DummyRegressor()), X, Y),
    "hist-two": (HistGradientBoostingClassifier(max_iter=15), GAPS, TWO),
    "hist-three": (HistGradientBoostingClassifier(max_iter=6), GAPS, THREE),
    "hist-codes": (HistGradientBoostingClassifier(max_iter=9, categorical_features=[0, 1]),
                   CODES, FIVE),
    "hist-regressor": (HistGradientBoostingRegressor(max_iter=15), GAPS, Y),
    "hist-poisson": (HistGradientBoostingRegressor(max_iter=6, loss="poisson"), X, UP),
    "hist-gamma": (HistGradientBoostingRegressor(max_iter=6, loss="gamma"), X, UP),
    "hist-quantile": (
        HistGradientBoostingRegressor(max_iter=6, loss="quantile", quantile=0.8), GAPS, Y
    ),
    "hist-absolute": (HistGradientBoostingRegressor(max_iter=6, loss="absolute_error"), X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", ESTIMATORS)
def test_compiled_boosting_answers_as_the_original(name: str) -> None:
    estimator, x, y = ESTIMATORS[name]
    fitted: Any = clone(estimator).set_params(random_state=3).fit(x, y)
    rows = rows_for(fitted, x)
    if "codes" in name:  # values between the known codes and beyond them, and negative ones
        odd = np.repeat(rows[:1], 12, axis=0)
        odd[:, 0] = [-1, -0.0, 0.5, 300, 255, 256, 89, 90, np.nan, 1e9, 3, 3.0000001]
        rows = np.concatenate([rows, odd])
    assert not differences(Compiled(fitted, x.shape[1]), rows)


def test_a_decision_of_exactly_zero_is_the_label_that_the_original_gives() -> None:
    x = np.array([[0.0], [0.0], [1.0], [1.0]])
    y = np.array([0, 1, 0, 1])
    for estimator in (
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1),
    ):
        compiled = Compiled(estimator.fit(x, y), 1)
        assert estimator.decision_function(x).tolist() == [0.0] * 4
        assert not differences(compiled, x)
