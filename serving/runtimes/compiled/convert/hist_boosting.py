"""HistGradientBoosting of scikit-learn: doubles compared, missing values and sets of categories."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.columns import as_frame, as_matrix
from serving.runtimes.compiled.convert.gradient_boosting import raw_classes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.tree_nodes import Tree, TreeTable
from serving.runtimes.compiled.convert.values import Made, Value
from serving.runtimes.compiled.errors import NotCompiled


def convert(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """HistGradientBoostingClassifier and HistGradientBoostingRegressor."""
    table = TreeTable(estimator.n_trees_per_iteration_)
    for target, start in enumerate(np.ravel(estimator._baseline_prediction)):
        table.constant(float(start), target)
    for iteration in estimator._predictors:
        for target, predictor in enumerate(iteration):
            table.add(_tree(predictor), predictor.nodes["value"], target)
    raw = table.emit(builder, _codes(builder, estimator, value))
    if is_classifier(estimator):
        return raw_classes(builder, estimator, raw, "Greater")
    return [Made("prediction", outcomes.flat(builder, _answer(builder, estimator, raw)))]


def _answer(builder: GraphBuilder, estimator: Any, raw: str) -> str:
    link = type(estimator._loss.link).__name__
    if link == "IdentityLink":
        return raw
    if link != "LogLink":
        raise NotCompiled("link", f"The link {link} is not compiled.")
    made: str = builder.add("Exp", [raw])
    return made


def _codes(builder: GraphBuilder, estimator: Any, value: Value) -> str:
    """The matrix that its trees see: codes of categories first, then the numbers."""
    if estimator._preprocessor is None:
        return as_matrix(builder, value, "float64").name
    frame = as_frame(builder, value)
    is_category = np.asarray(estimator.is_categorical_, bool)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    parts = []
    if is_category.any():
        known = frame.picked(np.flatnonzero(is_category).tolist())
        parts.append(as_matrix(builder, dispatch.transform(builder, encoder, known), "float64"))
    if not is_category.all():
        numbers = frame.picked(np.flatnonzero(~is_category).tolist())
        parts.append(as_matrix(builder, numbers, "float64"))
    return outcomes.stacked(builder, [part.name for part in parts])


def _tree(predictor: Any) -> Tree:
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    sets = predictor.raw_left_cat_bitsets
    return Tree(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"],
        members={
            int(at): _bits(sets[nodes["bitset_idx"][at]])
            for at in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~is_leaf)
        },
    )


def _bits(words: np.ndarray) -> np.ndarray:
    """The codes (0 to 255) whose bit is set in eight words of 32 bits."""
    return np.flatnonzero(np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little"))
