"""Calibrated classifiers, isotonic regression and classifiers with a threshold of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.members import average, only
from serving.runtimes.compiled.convert.outcomes import argmax, column, double, label_of, upright
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def calibrated(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """CalibratedClassifierCV with the methods sigmoid and isotonic."""
    parts = [_one(builder, member, value) for member in estimator.calibrated_classifiers_]
    mean = average(builder, parts)
    return [label_of(argmax(builder, mean), estimator.classes_), Made("probabilities", mean)]


def _one(builder: GraphBuilder, calibrated: Any, value: Value) -> str:
    """[N, n_classes]: each class's score by its own curve, then shares of their sum."""
    if calibrated.method not in ("sigmoid", "isotonic"):
        raise NotCompiled("temperature", "Calibration by temperature looks at all rows at once.")
    made = dispatch.answer(builder, calibrated.estimator, value)
    known = np.asarray(calibrated.classes).tolist()
    members = np.asarray(calibrated.estimator.classes_).tolist()
    count = len(known)
    if hasattr(calibrated.estimator, "decision_function"):
        given = only(made, "decision").tensor
        scores = [given] if count == 2 else [column(builder, given, at) for at in range(count)]
    else:
        given = only(made, "probabilities").tensor
        at_classes = [1] if count == 2 else list(range(count))
        scores = [column(builder, given, at) for at in at_classes]
    if members != known:
        raise NotCompiled("member-labels", "A member of the model knows other classes.")
    curves = [
        upright(builder, _curve(builder, calibrator, score))
        for calibrator, score in zip(calibrated.calibrators, scores, strict=True)
    ]
    if count == 2:
        proba = outcomes.two_classes(builder, curves[0])
    else:
        proba = _shares(builder, outcomes.stacked(builder, curves), count)
    made_proba: str = builder.add("Min", [proba, double(builder, 1.0)])
    return made_proba


def _shares(builder: GraphBuilder, parts: str, count: int) -> str:
    total = outcomes.row_sum(builder, parts)
    is_nothing = builder.add("Equal", [total, double(builder, 0.0)])
    whole = builder.add("Where", [is_nothing, double(builder, 1.0), total])
    shared = builder.add("Div", [parts, whole])
    even = double(builder, np.full((1, count), 1 / count))
    made: str = builder.add("Where", [is_nothing, even, shared])
    return made


def _curve(builder: GraphBuilder, calibrator: Any, score: str) -> str:
    """[N]: the probability of a score [N]."""
    if type(calibrator).__name__ == "_SigmoidCalibration":
        scaled = builder.add("Mul", [score, double(builder, float(calibrator.a_))])
        shifted = builder.add("Add", [scaled, double(builder, float(calibrator.b_))])
        return outcomes.exact_sigmoid(builder, builder.add("Neg", [shifted]))
    if type(calibrator).__name__ == "IsotonicRegression":
        return _steps(builder, calibrator, score)
    raise NotCompiled("calibrator", "The calibration has a curve that is not compiled.")


def _steps(builder: GraphBuilder, fitted: Any, given: str) -> str:
    """[N]: straight lines between the kept points, as ``numpy.interp`` draws them."""
    x, y = np.asarray(fitted.X_thresholds_), np.asarray(fitted.y_thresholds_)
    if x.dtype != np.float64 or y.dtype != np.float64:
        raise NotCompiled("float32", "The curve was fitted in float32.")
    low, high = double(builder, float(fitted.X_min_)), double(builder, float(fitted.X_max_))
    if fitted.out_of_bounds == "clip":
        given = builder.add("Clip", [given, low, high])
    elif fitted.out_of_bounds == "raise":
        outside = [builder.add("Less", [given, low]), builder.add("Greater", [given, high])]
        builder.refuse(builder.add("Or", outside))
    if len(x) == 1:
        zeros = builder.add("Mul", [given, double(builder, 0.0)])
        made: str = builder.add("Add", [zeros, double(builder, float(y[0]))])
        return made
    drawn = _lines(builder, x, y, given)
    if fitted.out_of_bounds != "nan":
        return drawn
    outside = [builder.add("Less", [given, low]), builder.add("Greater", [given, high])]
    nothing = double(builder, np.nan)
    cut: str = builder.add("Where", [builder.add("Or", outside), nothing, drawn])
    return cut


def _lines(builder: GraphBuilder, x: np.ndarray, y: np.ndarray, given: str) -> str:
    """``slope * (given - x) + y`` from the last point at or below; exactly y at a point."""
    reached = builder.add("GreaterOrEqual", [upright(builder, given), double(builder, x[None, :])])
    counted = outcomes.flat(builder, outcomes.row_sum(builder, builder.cast(reached, "float64")))
    at = builder.add("Sub", [counted, double(builder, 1.0)])
    at = builder.add("Clip", [at, double(builder, 0.0), double(builder, float(len(x) - 1))])
    index = builder.cast(at, "int64")
    slopes = np.append(np.diff(y) / np.diff(x), 0.0)
    slope, start, base = (
        builder.add("Gather", [double(builder, one), index]) for one in (slopes, x, y)
    )
    run = builder.add("Mul", [slope, builder.add("Sub", [given, start])])
    made: str = builder.add("Add", [run, base])
    return made


def isotonic(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """IsotonicRegression of one column."""
    name = outcomes.checked(builder, x).name
    found = _steps(builder, estimator, outcomes.flat(builder, name))
    return [Made("prediction", found), Made("transform", upright(builder, found))]


def thresholded(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """FixedThresholdClassifier and TunedThresholdClassifierCV."""
    member = getattr(estimator, "estimator_", estimator.estimator)
    made = dispatch.answer(builder, member, value)
    is_tuned = hasattr(estimator, "best_threshold_")
    asked = estimator._get_response_method()
    methods = [asked] if isinstance(asked, str) else list(asked)
    method = next(one for one in methods if hasattr(member, one))
    pos = estimator._curve_scorer._get_pos_label() if is_tuned else estimator.pos_label
    known = np.asarray(estimator.classes_).tolist()
    place = 1 if pos is None else known.index(pos)
    if method == "predict_proba":
        score = column(builder, only(made, "probabilities").tensor, place)
        limit = 0.5
    else:
        score = only(made, "decision").tensor
        score = builder.add("Neg", [score]) if place == 0 else score
        limit = 0.0
    limit = estimator.best_threshold_ if is_tuned else _given(estimator.threshold, limit)
    found = outcomes.passes(builder, score, "GreaterOrEqual", limit)
    labels = np.asarray(estimator.classes_)[[1 - place, place]]
    kept = [one for one in made if one.kind in ("probabilities", "decision")]
    return [label_of(found, labels), *kept]


def _given(threshold: Any, default: float) -> float:
    return default if isinstance(threshold, str) else float(threshold)
