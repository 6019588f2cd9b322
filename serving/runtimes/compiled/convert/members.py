"""What estimators made of others ask their members: labels as numbers, scores, sums in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from serving.runtimes.compiled.convert import dispatch, outcomes
from serving.runtimes.compiled.convert.columns import as_frame, pick, tensor_of
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.outcomes import double, of_kind
from serving.runtimes.compiled.convert.values import Made, Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def only(made: Sequence[Made], kind: Any) -> Made:
    """The single block of this kind. Raises NotCompiled when the member has several outputs."""
    found = of_kind(made, kind)
    if len(found) != 1:
        raise NotCompiled("member-outputs", "A member of the model has several outputs.")
    return found[0]


def label_numbers(builder: GraphBuilder, made: Made) -> str:
    """DOUBLE [N]: the predicted labels, which are numbers, or the predicted numbers."""
    if made.classes is None:
        return builder.cast(made.tensor, "float64")
    if not all(isinstance(label, bool | int | float) for label in made.classes):
        raise NotCompiled("member-labels", "A member of the model predicts texts as features.")
    known = double(builder, [float(label) for label in made.classes])
    found: str = builder.add("Gather", [known, made.tensor])
    return found


def class_indexes(builder: GraphBuilder, made: Made, classes: Any) -> str:
    """INT64 [N]: the predicted label's place among ``classes`` of the whole."""
    if made.classes is None:
        raise NotCompiled("member-labels", "A member of the model predicts no known labels.")
    known = np.asarray(classes).tolist()
    places = [known.index(label) for label in made.classes]
    if places == list(range(len(places))):
        return made.tensor
    found: str = builder.add("Gather", [outcomes.places(builder, *places), made.tensor])
    return found


def binary_score(builder: GraphBuilder, estimator: Any, value: Value) -> str:
    """[N]: a regressor's prediction, the decision, or the probability of the second class."""
    if type(estimator).__name__ == "_ConstantPredictor":
        return constant(builder, value, float(np.ravel(estimator.y_)[0]))
    made = dispatch.answer(builder, estimator, value)
    if is_regressor(estimator):
        return only(made, "prediction").tensor
    if hasattr(estimator, "decision_function"):
        return only(made, "decision").tensor
    return outcomes.column(builder, only(made, "probabilities").tensor, 1)


def second_probability(builder: GraphBuilder, estimator: Any, value: Value) -> str:
    """[N]: the probability of the second class."""
    if type(estimator).__name__ == "_ConstantPredictor":
        return constant(builder, value, float(np.ravel(estimator.y_)[0]))
    made = only(dispatch.answer(builder, estimator, value), "probabilities")
    return outcomes.column(builder, made.tensor, 1)


def constant(builder: GraphBuilder, value: Value, number: float) -> str:
    """[N]: the same number for each row of the value."""
    return outcomes.flat(builder, repeated(builder, np.array([number]), value))


def repeated(builder: GraphBuilder, row: np.ndarray, value: Value) -> str:
    """DOUBLE [N, len(row)]: the row for each row of the value, whatever that holds."""
    first = tensor_of(builder, as_frame(builder, value).columns[0])
    shape = builder.add("Shape", [first], end=1)
    whole = builder.add("Concat", [shape, outcomes.places(builder, len(row))], axis=0)
    made: str = builder.add("Expand", [double(builder, row[None, :]), whole])
    return made


def picked(builder: GraphBuilder, x: Matrix, features: Any) -> Matrix:
    """The columns that a member was given."""
    return pick(builder, x, np.asarray(features).tolist())


def added(builder: GraphBuilder, parts: Sequence[str]) -> str:
    """The sum, one after the other."""
    total = parts[0]
    for part in parts[1:]:
        total = builder.add("Add", [total, part])
    return total


def average(builder: GraphBuilder, parts: Sequence[str], weights: Any = None) -> str:
    """``np.average``: the weighted sum over the sum of weights."""
    if weights is None:
        whole = float(len(parts))
    else:
        pairs = zip(parts, weights, strict=True)
        parts = [builder.add("Mul", [p, double(builder, float(w))]) for p, w in pairs]
        whole = float(np.sum(weights))
    made: str = builder.add("Div", [added(builder, parts), double(builder, whole)])
    return made


def spread(builder: GraphBuilder, tensor: str, places: Sequence[int], width: int) -> str:
    """[N, width]: the columns of a tensor at these places, 0 elsewhere."""
    if list(places) == list(range(width)):
        return tensor
    where = np.zeros((len(places), width))
    where[np.arange(len(places)), list(places)] = 1.0
    made: str = builder.add("MatMul", [tensor, double(builder, where)])
    return made
