"""Neural networks of scikit-learn (MLP): products and activations, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, checked, dot, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled

_PLAIN = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "exp": "Exp"}


def _activated(builder: GraphBuilder, name: str, tensor: str) -> str:
    if name == "identity":
        return tensor
    if name == "softmax":
        return outcomes.softmax(builder, tensor)
    if name not in _PLAIN:
        raise NotCompiled("activation", f"The activation {name} is not compiled.")
    made: str = builder.add(_PLAIN[name], [tensor])
    return made


def _passed(builder: GraphBuilder, estimator: Any, x: Matrix) -> str:
    """What the last layer gives: DOUBLE [N, n_outputs_]."""
    if any(weights.dtype != np.float64 for weights in estimator.coefs_):
        raise NotCompiled("float32", "The network was fitted in float32.")
    tensor = checked(builder, x).name
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    for at, (weights, shift) in enumerate(layers, 1):
        tensor = dot(builder, tensor, weights.T, shift)
        name = estimator.activation if at < len(layers) else estimator.out_activation_
        tensor = _activated(builder, name, tensor)
    return tensor


def regressor(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """MLPRegressor."""
    return outcomes.numbers_of(builder, _passed(builder, estimator, x), estimator.n_outputs_)


def classifier(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """MLPClassifier: of one output above a half, of several the first of the largest."""
    given = _passed(builder, estimator, x)
    kind = estimator._label_binarizer.y_type_
    if kind.startswith("multilabel"):
        return _multilabel(builder, estimator, given)
    if estimator.n_outputs_ > 1:
        return [
            label_of(argmax(builder, given), estimator.classes_),
            Made("probabilities", given),
        ]
    only = outcomes.flat(builder, given)
    return [
        label_of(outcomes.passes(builder, only, limit=0.5), estimator.classes_),
        Made("probabilities", outcomes.two_classes(builder, only)),
    ]


def _multilabel(builder: GraphBuilder, estimator: Any, given: str) -> list[Made]:
    found = outcomes.passes(builder, given, limit=0.5)
    count = range(estimator.n_outputs_)
    each = [outcomes.column(builder, given, at) for at in count]
    return [
        *(Made("prediction", outcomes.column(builder, found, at)) for at in count),
        *(Made("probabilities", outcomes.upright(builder, one)) for one in each),
    ]
