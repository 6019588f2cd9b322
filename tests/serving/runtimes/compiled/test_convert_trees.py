"""Compiled trees and forests answer as scikit-learn does, also on thresholds and beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from tests.serving.runtimes.compiled.agreement import Compiled, differences, rows_for
from tests.serving.runtimes.compiled.tables import gaps, labels, numbers, target, targets

X, GAPS = numbers(), gaps()
TWO, THREE, FIVE = (labels(X, count) for count in (2, 3, 5))
SEVERAL = np.stack([labels(X, 2), labels(X, 4, seed=1)], axis=1)
Y, YS = target(X), targets(X)

ESTIMATORS = {
    "tree": (DecisionTreeClassifier(max_depth=5), X, THREE),
    "tree-of-one-leaf": (DecisionTreeRegressor(min_samples_leaf=200), X, Y),
    "tree-with-weights": (DecisionTreeClassifier(class_weight="balanced"), X, TWO),
    "tree-with-gaps": (DecisionTreeClassifier(min_samples_leaf=5), GAPS, FIVE),
    "tree-of-outputs": (DecisionTreeClassifier(max_depth=4), X, SEVERAL),
    "tree-regressor": (DecisionTreeRegressor(), X, Y),
    "tree-regressors": (DecisionTreeRegressor(max_depth=6), GAPS, YS),
    "tree-absolute": (DecisionTreeRegressor(criterion="absolute_error", max_depth=3), X, Y),
    "extra-tree": (ExtraTreeClassifier(max_depth=6), X, TWO),
    "extra-tree-regressor": (ExtraTreeRegressor(max_depth=6), GAPS, Y),
    "forest": (RandomForestClassifier(20, min_samples_leaf=3), X, TWO),
    "forest-of-one": (RandomForestClassifier(1), X, THREE),
    "forest-of-many-classes": (RandomForestClassifier(15, min_samples_leaf=2), GAPS, FIVE),
    "forest-of-outputs": (RandomForestClassifier(10, max_depth=4), X, SEVERAL),
    "forest-regressor": (RandomForestRegressor(25), GAPS, Y),
    "forest-regressors": (RandomForestRegressor(10, max_depth=5), X, YS),
    "extra": (ExtraTreesClassifier(12, min_samples_leaf=2), X, THREE),
    "extra-regressor": (ExtraTreesRegressor(12, max_depth=7), GAPS, Y),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_compiled_tree_answers_as_the_original(name: str) -> None:
    estimator, x, y = ESTIMATORS[name]
    fitted: Any = clone(estimator).set_params(random_state=3).fit(x, y)
    assert not differences(Compiled(fitted, x.shape[1]), rows_for(fitted, x))
