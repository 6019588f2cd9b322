"""Compiled trees and forests answer as scikit-learn does, also on thresholds and beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from serving.runtimes.compiled.convert import trees
from serving.runtimes.compiled.convert.tree_nodes import halfway
from tests.serving.runtimes.compiled.agreement import Compiled, around, differences, rows_for
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


@settings(deadline=None)
@example(1e300, float(np.finfo(np.float32).max), 3)
@example(1e300, float(np.finfo(np.float32).max), 7)
@example(0.0, -1e-45, 4)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.integers(0, 12),
)
def test_a_limit_splits_as_the_cast_value_does(drawn: float, narrow: float, at: int) -> None:
    for threshold in (drawn, narrow):
        value = around(threshold)[at % len(around(threshold))]
        with np.errstate(over="ignore"):
            cast = float(np.float32(value))
        assume(np.isfinite(cast))
        limit = halfway(np.array([threshold]))[0]
        assert (cast <= threshold) == (value <= limit)


def test_a_graph_that_compares_doubles_without_the_cast_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forest = RandomForestRegressor(10, random_state=3).fit(X, Y)
    monkeypatch.setattr(trees, "halfway", lambda thresholds: thresholds)
    assert differences(Compiled(forest, X.shape[1]), rows_for(forest, X))


def test_a_graph_in_float32_is_found_out() -> None:
    boosted = HistGradientBoostingRegressor(max_iter=9, random_state=3).fit(X, Y)
    compiled = Compiled(boosted, X.shape[1])
    model = onnx.load_from_string(compiled.content)
    tree = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    narrow = onnx.helper.make_node("Cast", ["x"], ["x32"], to=onnx.TensorProto.FLOAT)
    wide = onnx.helper.make_node("Cast", ["x32"], ["x64"], to=onnx.TensorProto.DOUBLE)
    tree.input[0] = "x64"
    nodes = [narrow, wide, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    compiled.open(model.SerializeToString())
    assert differences(compiled, rows_for(boosted, X))
