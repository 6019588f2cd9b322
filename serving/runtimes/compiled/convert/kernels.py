"""Support vector machines and kernel ridge: a kernel against kept rows, in plain double operators.

onnxruntime's own SVM operators compute in float. The votes are those of libsvm's
``svm_predict_values`` (Chang and Lin, "LIBSVM: a library for support vector machines", 2011).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, checked, dot, double, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled


def kernel(
    builder: GraphBuilder,
    name: str,
    x: str,
    kept: np.ndarray,
    *,
    gamma: float,
    degree: float,
    coef0: float,
) -> str:
    """DOUBLE [N, len(kept)]: the kernel between each row of ``x`` and each kept row."""
    if name == "linear":
        return dot(builder, x, kept)
    if name == "rbf":
        scaled = builder.add("Mul", [squared_distances(builder, x, kept), double(builder, -gamma)])
        made: str = builder.add("Exp", [scaled])
        return made
    if name not in ("poly", "polynomial", "sigmoid"):
        raise NotCompiled("kernel", f"The kernel {name} is not compiled.")
    product = builder.add("Mul", [dot(builder, x, kept), double(builder, gamma)])
    shifted = builder.add("Add", [product, double(builder, coef0)])
    if name == "sigmoid":
        made = builder.add("Tanh", [shifted])
    else:
        made = builder.add("Pow", [shifted, double(builder, degree)])
    return made


def squared_distances(builder: GraphBuilder, x: str, kept: np.ndarray) -> str:
    """DOUBLE [N, len(kept)]. Taken around the mean of the kept rows, where less cancels."""
    middle = kept.mean(axis=0)
    centred = builder.add("Sub", [x, double(builder, middle)])
    near = kept - middle
    squares = outcomes.row_sum(builder, builder.add("Mul", [centred, centred]))
    cross = dot(builder, centred, -2.0 * near, (near * near).sum(axis=1))
    total = builder.add("Add", [cross, squares])
    made: str = builder.add("Max", [total, double(builder, 0.0)])
    return made


def _raw(builder: GraphBuilder, estimator: Any, x: Matrix, weights: np.ndarray) -> str:
    """The kernel to the support vectors times ``weights`` (n_scores, n_vectors), and the shift."""
    if not isinstance(estimator.kernel, str):
        raise NotCompiled("kernel", "The kernel is a function.")
    name = checked(builder, x).name
    if estimator.kernel == "precomputed":
        places = builder.constant(estimator.support_.astype(np.int64))
        found = builder.add("Gather", [name, places], axis=1)
    else:
        found = kernel(
            builder,
            estimator.kernel,
            name,
            _dense(estimator.support_vectors_),
            gamma=float(estimator._gamma),
            degree=float(estimator.degree),
            coef0=float(estimator.coef0),
        )
    return dot(builder, found, weights, estimator._intercept_)


def _dense(values: Any) -> np.ndarray:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def regressor(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """SVR and NuSVR."""
    raw = _raw(builder, estimator, x, _dense(estimator._dual_coef_))
    return outcomes.numbers_of(builder, raw, 1)


def one_class(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """OneClassSVM: 1 above 0, else -1."""
    raw = outcomes.flat(builder, _raw(builder, estimator, x, _dense(estimator._dual_coef_)))
    return [
        label_of(outcomes.passes(builder, raw), np.array([-1, 1])),
        Made("decision", raw),
    ]


def classifier(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """SVC and NuSVC without probabilities: each pair of classes votes, 0 for the second."""
    if hasattr(estimator, "predict_proba"):
        raise NotCompiled("platt", "Its probabilities come from a pairwise iteration of libsvm.")
    raw = _raw(builder, estimator, x, pair_weights(estimator))
    if len(estimator.classes_) == 2:
        only = outcomes.flat(builder, builder.add("Neg", [raw]))
        second = outcomes.passes(builder, only, "GreaterOrEqual")
        return [label_of(second, estimator.classes_), Made("decision", only)]
    label = argmax(builder, _votes(builder, raw, len(estimator.classes_), "Greater"))
    if estimator.decision_function_shape == "ovo":
        return [label_of(label, estimator.classes_), Made("decision", raw)]
    decision = pairwise_decision(builder, raw, len(estimator.classes_))
    if estimator.break_ties:
        label = argmax(builder, decision)
    return [label_of(label, estimator.classes_), Made("decision", decision)]


def pair_weights(estimator: Any) -> np.ndarray:
    """(n_pairs, n_vectors) out of libsvm's layout: a row of coefficients per other class."""
    coefs, counts = _dense(estimator._dual_coef_), estimator._n_support
    ends = np.cumsum(counts)
    spans = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    pairs = list(combinations(range(len(counts)), 2))
    weights = np.zeros((len(pairs), coefs.shape[1]))
    for row, (first, second) in zip(weights, pairs, strict=True):
        row[spans[first]] = coefs[second - 1, spans[first]]
        row[spans[second]] = coefs[first, spans[second]]
    return weights


def sides_of_pairs(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(n_pairs, n_classes) each: 1 at the first, and at the second class of a pair."""
    pairs = np.array(list(combinations(range(n_classes), 2)))
    return np.eye(n_classes)[pairs[:, 0]], np.eye(n_classes)[pairs[:, 1]]


def _votes(builder: GraphBuilder, raw: str, n_classes: int, op: str) -> str:
    """DOUBLE [N, n_classes]: how many pairs each class wins; the first one where ``raw op 0``."""
    first, second = sides_of_pairs(n_classes)
    wins = builder.cast(builder.add(op, [raw, double(builder, 0.0)]), "float64")
    return dot(builder, wins, (first - second).T, second.sum(axis=0))


def pairwise_decision(builder: GraphBuilder, raw: str, n_classes: int) -> str:
    """DOUBLE [N, n_classes]: votes, and sums of ``raw`` (positive for the first) as their parts."""
    first, second = sides_of_pairs(n_classes)
    votes = _votes(builder, raw, n_classes, "GreaterOrEqual")
    return with_confidence(builder, votes, dot(builder, raw, (first - second).T))


def with_confidence(builder: GraphBuilder, votes: str, sums: str) -> str:
    """``votes + sums / (3 * (|sums| + 1))``, as ``_ovr_decision_function`` has it."""
    grown = builder.add("Add", [builder.add("Abs", [sums]), double(builder, 1.0)])
    share = builder.add("Div", [sums, builder.add("Mul", [grown, double(builder, 3.0)])])
    made: str = builder.add("Add", [votes, share])
    return made


def ridge(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """KernelRidge with a kernel that is named."""
    if not isinstance(estimator.kernel, str):
        raise NotCompiled("kernel", "The kernel is a function.")
    kept = _dense(estimator.X_fit_)
    gamma = 1.0 / kept.shape[1] if estimator.gamma is None else float(estimator.gamma)
    found = kernel(
        builder,
        estimator.kernel,
        checked(builder, x, kept).name,
        kept,
        gamma=gamma,
        degree=float(estimator.degree),
        coef0=float(estimator.coef0),
    )
    coefs = np.asarray(estimator.dual_coef_)
    coefs = coefs[:, None] if coefs.ndim == 1 else coefs
    return outcomes.numbers_of(builder, dot(builder, found, coefs.T), coefs.shape[1])
