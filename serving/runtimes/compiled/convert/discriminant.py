"""Discriminant analysis and naive Bayes of scikit-learn: the classes' log likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.linear import transformed
from serving.runtimes.compiled.convert.outcomes import argmax, checked, dot, double, label_of
from serving.runtimes.compiled.convert.values import Made, Matrix
from serving.runtimes.compiled.errors import NotCompiled


def linear(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """LinearDiscriminantAnalysis, with its transform."""
    x = checked(builder, x, estimator.coef_)
    scores = dot(builder, x.name, estimator.coef_, estimator.intercept_)
    if len(estimator.classes_) == 2:
        decision = outcomes.flat(builder, scores)
        label = outcomes.passes(builder, decision)
        probabilities = outcomes.two_classes(builder, outcomes.exact_sigmoid(builder, scores))
    else:
        decision, label = scores, argmax(builder, scores)
        probabilities = outcomes.softmax(builder, scores)
    made = [label_of(label, estimator.classes_), Made("probabilities", probabilities)]
    made.append(Made("decision", decision))
    if estimator.solver == "lsqr":
        raise NotCompiled("no-transform", "Its method transform fails with the solver lsqr.")
    made.append(Made("transform", transformed(builder, estimator, x)))
    return made


def quadratic(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """QuadraticDiscriminantAnalysis."""
    name = checked(builder, x, estimator.means_).name
    norms = []
    for mean, rotation, scaling in zip(
        estimator.means_, estimator.rotations_, estimator.scalings_, strict=True
    ):
        centred = builder.add("Sub", [name, double(builder, mean)])
        turned = dot(builder, centred, (rotation * scaling ** (-0.5)).T)
        norms.append(outcomes.row_sum(builder, builder.add("Mul", [turned, turned])))
    logs = np.asarray([np.sum(np.log(scaling)) for scaling in estimator.scalings_])
    total = builder.add("Add", [outcomes.stacked(builder, norms), double(builder, logs)])
    halved = builder.add("Mul", [total, double(builder, -0.5)])
    scores = builder.add("Add", [halved, double(builder, np.log(estimator.priors_))])
    made = likelihoods(builder, estimator, scores)
    if len(estimator.classes_) != 2:
        return [*made, Made("decision", scores)]
    first, second = (outcomes.column(builder, scores, at) for at in (0, 1))
    return [*made, Made("decision", builder.add("Sub", [second, first]))]


def likelihoods(builder: GraphBuilder, estimator: Any, scores: str) -> list[Made]:
    """Label and probabilities out of unnormalised log probabilities [N, n_classes]."""
    return [
        label_of(argmax(builder, scores), estimator.classes_),
        Made("probabilities", builder.add("Exp", [less_log_sum(builder, scores)])),
    ]


def log_sum(builder: GraphBuilder, scores: str) -> str:
    """[N, 1]: the logarithm of the row's sum of exponentials."""
    largest = outcomes.row_max(builder, scores)
    parts = builder.add("Exp", [builder.add("Sub", [scores, largest])])
    made: str = builder.add(
        "Add", [builder.add("Log", [outcomes.row_sum(builder, parts)]), largest]
    )
    return made


def less_log_sum(builder: GraphBuilder, scores: str) -> str:
    """The scores as logarithms of probabilities."""
    made: str = builder.add("Sub", [scores, log_sum(builder, scores)])
    return made


def gaussian(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """GaussianNB."""
    name = checked(builder, x, estimator.var_).name
    parts = []
    for prior, mean, variance in zip(
        estimator.class_prior_, estimator.theta_, estimator.var_, strict=True
    ):
        off = builder.add("Sub", [name, double(builder, mean)])
        scaled = builder.add("Div", [builder.add("Mul", [off, off]), double(builder, variance)])
        halved = builder.add("Mul", [outcomes.row_sum(builder, scaled), double(builder, 0.5)])
        log = -0.5 * np.sum(np.log(2.0 * np.pi * variance))
        within = builder.add("Sub", [double(builder, [log]), halved])
        with np.errstate(divide="ignore"):
            parts.append(builder.add("Add", [double(builder, [np.log(prior)]), within]))
    return likelihoods(builder, estimator, outcomes.stacked(builder, parts))


def multinomial(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """MultinomialNB and ComplementNB; the latter takes the prior only where it has one class."""
    name = checked(builder, x, estimator.feature_log_prob_).name
    prior: Any = estimator.class_log_prior_
    if type(estimator).__name__ == "ComplementNB" and len(estimator.classes_) > 1:
        prior = 0.0
    scores = dot(builder, name, estimator.feature_log_prob_, prior)
    return likelihoods(builder, estimator, scores)


def bernoulli(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """BernoulliNB: cells above ``binarize`` count as 1."""
    name = checked(builder, x, estimator.feature_log_prob_).name
    if estimator.binarize is not None:
        name = builder.cast(outcomes.passes(builder, name, limit=estimator.binarize), "float64")
    absent = np.log(1 - np.exp(estimator.feature_log_prob_))
    scores = dot(
        builder,
        name,
        estimator.feature_log_prob_ - absent,
        estimator.class_log_prior_ + absent.sum(axis=1),
    )
    return likelihoods(builder, estimator, scores)


def categorical(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """CategoricalNB: cells are cut to whole numbers; those without a category are refused."""
    if x.dtype == "bool":
        x = builder.as_type(x, "int64")
    name = checked(builder, x).name
    counts = np.asarray(estimator.n_categories_, np.float64)
    # Cutting -0.9 gives 0; beyond the categories, numpy raises.
    whole = builder.add("Sub", [name, builder.add("Mod", [name, double(builder, 1.0)], fmod=1)])
    not_low = builder.add("GreaterOrEqual", [whole, double(builder, 0.0)])
    not_high = builder.add("Less", [whole, double(builder, counts)])
    outside = builder.add("Not", [builder.add("And", [not_low, not_high])])  # NaN is neither
    builder.refuse(builder.any_of(outside))
    safe = builder.add("Where", [outside, double(builder, 0.0), whole])
    places = builder.cast(safe, "int64")
    total = double(builder, np.zeros(len(estimator.classes_)))
    for at, logs in enumerate(estimator.feature_log_prob_):
        found = builder.add(
            "Gather", [double(builder, np.asarray(logs).T), outcomes.column(builder, places, at)]
        )
        total = builder.add("Add", [total, found])
    if not estimator.feature_log_prob_:
        raise NotCompiled("no-columns", "The model takes no column at all.")
    scores = builder.add("Add", [total, double(builder, estimator.class_log_prior_)])
    return likelihoods(builder, estimator, scores)
