"""Dummy estimators of scikit-learn: the same answer to every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.columns import as_frame, tensor_of
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Made, Value, plain
from serving.runtimes.compiled.errors import NotCompiled


def regressor(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """DummyRegressor."""
    constant = np.ravel(estimator.constant_).astype(np.float64)
    repeated = _repeated(builder, constant, value)
    return outcomes.numbers_of(builder, repeated, estimator.n_outputs_)


def classifier(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """DummyClassifier with a strategy that draws nothing."""
    if estimator._strategy not in ("most_frequent", "prior", "constant"):
        raise NotCompiled("random", "The model draws its answers.")
    if estimator.sparse_output_:
        raise NotCompiled("sparse-labels", "The model answers sparse labels.")
    nothing = np.zeros((1, estimator.n_features_in_))
    predicted = np.asarray(estimator.predict(nothing)).reshape(1, -1)
    proba = estimator.predict_proba(nothing)
    several = proba if isinstance(proba, list) else [proba]
    zero = outcomes.flat(builder, _repeated(builder, np.zeros(1), value))
    index = builder.cast(zero, "int64")
    labels = [Made("prediction", index, classes=plain(one)) for one in predicted.T]
    return [
        *labels,
        *(Made("probabilities", _repeated(builder, one[0], value)) for one in several),
    ]


def _repeated(builder: GraphBuilder, row: np.ndarray, value: Value) -> str:
    """DOUBLE [N, len(row)]: the row for each row of the value, whatever that holds."""
    first = tensor_of(builder, as_frame(builder, value).columns[0])
    shape = builder.add("Shape", [first], end=1)
    width = outcomes.places(builder, len(row))
    whole = builder.add("Concat", [shape, width], axis=0)
    made: str = builder.add("Expand", [outcomes.double(builder, row[None, :]), whole])
    return made
