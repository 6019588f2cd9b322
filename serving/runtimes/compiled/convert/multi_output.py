"""Several outputs out of models of one, side by side or in a chain; transformed targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.members import label_numbers, only
from serving.runtimes.compiled.convert.outcomes import column, double, label_of, upright
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled

_UNDONE = {np.exp: "Exp", np.sqrt: "Sqrt", np.log: "Log", np.abs: "Abs"}


def regressor(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """MultiOutputRegressor."""
    return [
        only(dispatch.answer(builder, member, value), "prediction")
        for member in estimator.estimators_
    ]


def classifier(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """MultiOutputClassifier; all labels become one type of numpy's choice."""
    answers = [dispatch.answer(builder, member, value) for member in estimator.estimators_]
    kinds = [np.asarray(known) for known in estimator.classes_]
    if len({one.dtype.kind for one in kinds}) > 1:
        raise NotCompiled("mixed-labels", "The labels of the outputs are of several types.")
    whole = np.result_type(*kinds)
    made = [
        label_of(only(answer, "prediction").tensor, known.astype(whole))
        for answer, known in zip(answers, kinds, strict=True)
    ]
    if hasattr(estimator, "predict_proba"):
        made += [only(answer, "probabilities") for answer in answers]
    return made


def chain(builder: GraphBuilder, estimator: Any, x: Matrix) -> list[Made]:
    """ClassifierChain and RegressorChain: each member also sees the answers of those before it."""
    builder.refuse_not_finite(x)
    wide = builder.as_double(x)
    method = getattr(estimator, "chain_method_", "predict")
    answers, seen = [], [wide.name]
    for at, member in enumerate(estimator.estimators_):
        given = Matrix(outcomes.stacked(builder, seen), x.width + at)
        answer = dispatch.answer(builder, member, given)
        answers.append(answer)
        seen.append(upright(builder, _response(builder, answer, method)))
    places = np.argsort(np.asarray(estimator.order_))
    ordered = [answers[int(place)] for place in places]
    made = [Made("prediction", _response(builder, one, "predict")) for one in ordered]
    for kind, name in (("probabilities", "predict_proba"), ("decision", "decision_function")):
        if hasattr(estimator, name):
            each = [_response(builder, one, name) for one in ordered]
            if kind == "probabilities":
                made += [Made("probabilities", upright(builder, one)) for one in each]
            else:
                made += [Made("decision", one) for one in each]
    return made


def _response(builder: GraphBuilder, made: list[Made], method: str) -> str:
    """[N]: the label as a number, the decision, or the probability of the second class."""
    if method == "predict":
        return label_numbers(builder, only(made, "prediction"))
    if method == "decision_function":
        return only(made, "decision").tensor
    if method == "predict_proba":
        return column(builder, only(made, "probabilities").tensor, 1)
    raise NotCompiled("chain-method", f"A chain over {method} is not compiled.")


def transformed_target(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """TransformedTargetRegressor with a function or scaler whose inverse is known."""
    made = dispatch.answer(builder, estimator.regressor_, value)
    found = [upright(builder, one.tensor) for one in outcomes.of_kind(made, "prediction")]
    undone = _undone(builder, estimator.transformer_, outcomes.stacked(builder, found))
    return outcomes.numbers_of(builder, undone, len(found))


def _undone(builder: GraphBuilder, transformer: Any, given: str) -> str:
    if type(transformer) is StandardScaler:
        if transformer.with_std:
            given = builder.add("Mul", [given, double(builder, transformer.scale_)])
        if transformer.with_mean:
            given = builder.add("Add", [given, double(builder, transformer.mean_)])
        return given
    if type(transformer) is MinMaxScaler and not transformer.clip:
        given = builder.add("Sub", [given, double(builder, transformer.min_)])
        made: str = builder.add("Div", [given, double(builder, transformer.scale_)])
        return made
    if type(transformer) is not FunctionTransformer or transformer.inv_kw_args:
        raise NotCompiled("target", "The transformer of the target is not compiled.")
    function = transformer.inverse_func
    if function is None:
        return given
    if function is np.expm1:
        grown = builder.add("Exp", [given])
        made = builder.add("Sub", [grown, double(builder, 1.0)])
    elif function is np.square:
        made = builder.add("Mul", [given, given])
    elif function in _UNDONE:
        made = builder.add(_UNDONE[function], [given])
    else:
        raise NotCompiled("target", "The function that undoes the target's is not compiled.")
    return made
