"""Dummy estimators of scikit-learn: the same answer to every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.members import repeated
from serving.runtimes.compiled.convert.values import Made, Value, plain
from serving.runtimes.compiled.errors import NotCompiled


def regressor(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """DummyRegressor."""
    constant = np.ravel(estimator.constant_).astype(np.float64)
    same = repeated(builder, constant, value)
    return outcomes.numbers_of(builder, same, estimator.n_outputs_)


def classifier(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """DummyClassifier with a strategy that draws nothing."""
    if estimator._strategy not in ("most_frequent", "prior", "constant"):
        raise NotCompiled("random", "The model draws its answers.")
    if estimator.sparse_output_:
        raise NotCompiled("sparse-labels", "The model answers sparse labels.")
    nothing = np.zeros((1, 1))  # it looks at no input, and may have counted no columns
    predicted = np.asarray(estimator.predict(nothing)).reshape(1, -1)
    proba = estimator.predict_proba(nothing)
    several = proba if isinstance(proba, list) else [proba]
    zero = outcomes.flat(builder, repeated(builder, np.zeros(1), value))
    index = builder.cast(zero, "int64")
    labels = [Made("prediction", index, classes=plain(one)) for one in predicted.T]
    return [
        *labels,
        *(Made("probabilities", repeated(builder, one[0], value)) for one in several),
    ]
