"""Linear models of scikit-learn: one product, then a label, a probability or a link."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import argmax, checked, dot, double, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def regressor(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """``x @ coef_.T + intercept_``, one or several outputs."""
    name = checked(builder, x, estimator.coef_).name
    coef = np.atleast_2d(estimator.coef_)
    return outcomes.numbers_of(
        builder, dot(builder, name, coef, estimator.intercept_), coef.shape[0]
    )


def generalized(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """Poisson, Gamma and Tweedie regression: the linear part through the inverse of the link."""
    name = checked(builder, x, estimator.coef_).name
    raw = dot(builder, name, estimator.coef_, estimator.intercept_)
    link = type(estimator._base_loss.link).__name__
    if link not in ("LogLink", "IdentityLink"):
        raise NotCompiled("link", f"The link {link} is not compiled.")
    return outcomes.numbers_of(builder, builder.add("Exp", [raw]) if link == "LogLink" else raw, 1)


def least_squares(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """PLSRegression, PLSCanonical and CCA, with their transform."""
    name = checked(builder, x, estimator.coef_).name
    centred = builder.add("Sub", [name, double(builder, estimator._x_mean)])
    raw = dot(builder, centred, estimator.coef_, estimator.intercept_)
    made = outcomes.numbers_of(builder, raw, len(estimator.coef_))
    return [*made, Made("transform", transformed(builder, estimator, x))]


def transformed(builder: GraphBuilder, estimator: Any, x: Matrix) -> str:
    """What the estimator's ``transform`` makes, [N, columns]."""
    return as_matrix(builder, dispatch.transform(builder, estimator, x)).name


def fitted(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """RANSACRegressor, SelfTrainingClassifier: the one that was fitted in the end."""
    return dispatch.answer(builder, estimator.estimator_, value)


def scores(builder: GraphBuilder, estimator: Any, x: Matrix) -> str:
    """The decision of a linear classifier, [N, 1] or [N, n_classes]."""
    name = checked(builder, x, estimator.coef_).name
    return dot(builder, name, estimator.coef_, estimator.intercept_)


def labels(builder: GraphBuilder, estimator: Any, decision: str) -> list[Made]:
    """Label and decision: above 0 with one score, else the first of the largest."""
    if np.atleast_2d(estimator.coef_).shape[0] > 1:
        return [
            label_of(argmax(builder, decision), estimator.classes_),
            Made("decision", decision),
        ]
    only = outcomes.flat(builder, decision)
    return [
        label_of(outcomes.passes(builder, only), estimator.classes_),
        Made("decision", only),
    ]


def classifier(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """RidgeClassifier, LinearSVC, Perceptron, PassiveAggressiveClassifier."""
    decision = scores(builder, estimator, x)
    binarizer = getattr(estimator, "_label_binarizer", None)
    if getattr(binarizer, "y_type_", "").startswith("multilabel"):
        return multilabel(builder, decision, len(estimator.coef_))
    return labels(builder, estimator, decision)


def multilabel(builder: GraphBuilder, decision: str, count: int) -> list[Made]:
    """Per output 1 where its score is above 0, and the score."""
    found = outcomes.passes(builder, decision)
    return [
        *(Made("prediction", outcomes.column(builder, found, at)) for at in range(count)),
        *(Made("decision", outcomes.column(builder, decision, at)) for at in range(count)),
    ]


def logistic(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """LogisticRegression and LogisticRegressionCV."""
    decision = scores(builder, estimator, x)
    if len(estimator.classes_) <= 2:
        probabilities = outcomes.two_classes(builder, outcomes.exact_sigmoid(builder, decision))
    else:
        probabilities = outcomes.softmax(builder, decision)
    made = labels(builder, estimator, decision)
    return outcomes.in_order([*made, Made("probabilities", probabilities)])


def stochastic(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """SGDClassifier; probabilities with the losses log_loss and modified_huber."""
    decision = scores(builder, estimator, x)
    made = labels(builder, estimator, decision)
    if estimator.loss == "log_loss":
        made.append(Made("probabilities", one_vs_rest(builder, decision, estimator)))
    elif estimator.loss == "modified_huber":
        cut = builder.add("Clip", [decision, double(builder, -1.0), double(builder, 1.0)])
        up = builder.add("Add", [cut, double(builder, 1.0)])
        half = builder.add("Div", [up, double(builder, 2.0)])
        made.append(Made("probabilities", _shared(builder, half, estimator)))
    return outcomes.in_order(made)


def one_vs_rest(builder: GraphBuilder, decision: str, estimator: Any) -> str:
    """Each class against the others by ``expit``, then shares of their sum."""
    return _shared(builder, outcomes.exact_sigmoid(builder, decision), estimator)


def _shared(builder: GraphBuilder, parts: str, estimator: Any) -> str:
    if len(estimator.classes_) <= 2:
        return outcomes.two_classes(builder, parts)
    return even_shares(builder, parts, len(estimator.classes_))


def even_shares(builder: GraphBuilder, parts: str, count: int) -> str:
    """Shares of the row's sum; the same share for all where the sum is 0."""
    total = outcomes.row_sum(builder, parts)
    is_nothing = builder.add("Equal", [total, double(builder, 0.0)])
    filled = builder.add("Where", [is_nothing, double(builder, np.ones((1, count))), parts])
    whole = builder.add("Where", [is_nothing, double(builder, float(count)), total])
    made: str = builder.add("Div", [filled, whole])
    return made


def one_class(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """SGDOneClassSVM: 1 for an inlier (decision of 0 or more), -1 for an outlier."""
    name = checked(builder, x, estimator.coef_).name
    raw = outcomes.flat(builder, dot(builder, name, estimator.coef_))
    decision = builder.add("Sub", [raw, double(builder, float(estimator.offset_[0]))])
    found = outcomes.passes(builder, decision, "GreaterOrEqual")
    return [label_of(found, np.array([-1, 1])), Made("decision", decision)]
