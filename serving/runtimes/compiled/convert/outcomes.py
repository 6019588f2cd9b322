"""What the converters of estimators share: dots, sigmoids, labels out of scores, answer columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.runtimes.base import Kind
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.values import Made, Matrix, plain
from serving.runtimes.compiled.errors import NotCompiled


def checked(builder: GraphBuilder, x: Matrix, *fitted: Any, allow_nan: bool = False) -> Matrix:
    """The matrix in float64, its infinities (and NaN) refused as ``check_array`` does.

    ``fitted`` are the arrays that it meets. Raises NotCompiled where all of it is float32: the
    original computes in float32 then.
    """
    arrays = [np.asarray(one) for one in fitted]
    if x.dtype == "float32" and arrays and all(one.dtype == np.float32 for one in arrays):
        raise NotCompiled("float32", "The model computes in float32, the graph in float64.")
    builder.refuse_not_finite(x, allow_nan=allow_nan)
    return builder.as_double(x)


def double(builder: GraphBuilder, values: Any) -> str:
    """A constant tensor DOUBLE."""
    return builder.constant(np.asarray(values, dtype=np.float64))


def places(builder: GraphBuilder, *at: int) -> str:
    """A constant tensor INT64 [n]: axes, shapes, positions."""
    return builder.constant(np.asarray(at, dtype=np.int64))


def dot(builder: GraphBuilder, x: str, coef: Any, intercept: Any = 0.0) -> str:
    """``x @ coef.T + intercept``: DOUBLE [N, n_outputs]; ``coef`` (n_outputs, n_features)."""
    weights = double(builder, np.atleast_2d(np.asarray(coef, dtype=np.float64)).T)
    made: str = builder.add("MatMul", [x, weights])
    shift = np.asarray(intercept, dtype=np.float64)
    return builder.add("Add", [made, double(builder, shift)]) if shift.any() else made


def flat(builder: GraphBuilder, tensor: str) -> str:
    """[N, 1] as [N]."""
    made: str = builder.add("Reshape", [tensor, places(builder, -1)])
    return made


def upright(builder: GraphBuilder, tensor: str) -> str:
    """[N] as [N, 1]."""
    made: str = builder.add("Reshape", [tensor, places(builder, -1, 1)])
    return made


def column(builder: GraphBuilder, tensor: str, at: int) -> str:
    """[N]: one column of [N, columns]."""
    made: str = builder.add("Gather", [tensor, builder.constant(at)], axis=1)
    return made


def stacked(builder: GraphBuilder, parts: Sequence[str]) -> str:
    """[N, columns] out of tensors [N, some] each."""
    made: str = parts[0] if len(parts) == 1 else builder.add("Concat", list(parts), axis=1)
    return made


def row_sum(builder: GraphBuilder, tensor: str) -> str:
    """[N, 1]: the sum of each row."""
    made: str = builder.add("ReduceSum", [tensor, places(builder, 1)], keepdims=1)
    return made


def row_max(builder: GraphBuilder, tensor: str) -> str:
    """[N, 1]: the largest of each row."""
    made: str = builder.add("ReduceMax", [tensor, places(builder, 1)], keepdims=1)
    return made


def argmax(builder: GraphBuilder, scores: str) -> str:
    """INT64 [N]: the first of the largest of each row, as ``np.argmax`` has it."""
    made: str = builder.add("ArgMax", [scores], axis=1, keepdims=0)
    return made


def passes(builder: GraphBuilder, score: str, op: str = "Greater", limit: float = 0.0) -> str:
    """INT64 of the same shape: 1 where ``score op limit``, else 0."""
    found = builder.add(op, [score, double(builder, limit)])
    return builder.cast(found, "int64")


def softmax(builder: GraphBuilder, scores: str) -> str:
    """Of each row, the largest score taken off first, as scikit-learn does."""
    shifted = builder.add("Sub", [scores, row_max(builder, scores)])
    return shares(builder, builder.add("Exp", [shifted]))


def shares(builder: GraphBuilder, parts: str) -> str:
    """Each row over its sum."""
    made: str = builder.add("Div", [parts, row_sum(builder, parts)])
    return made


def sigmoid(builder: GraphBuilder, scores: str) -> str:
    """``expit``, right to 1e-16 but not to so many digits: below some -36 it is 0."""
    made: str = builder.add("Sigmoid", [scores])
    return made


def exact_sigmoid(builder: GraphBuilder, scores: str) -> str:
    """``expit`` with all its digits, for what is divided by a sum afterwards."""
    one = double(builder, 1.0)
    grown = builder.add("Exp", [builder.add("Neg", [scores])])
    made: str = builder.add("Div", [one, builder.add("Add", [one, grown])])
    return made


def two_classes(builder: GraphBuilder, probability: str) -> str:
    """[N, 2] out of the probability of the second class, [N] or [N, 1]."""
    second = upright(builder, probability)
    first = builder.add("Sub", [double(builder, 1.0), second])
    return stacked(builder, [first, second])


def label_of(index: str, classes: Any) -> Made:
    """The prediction: INT64 [N] into ``classes``."""
    return Made("prediction", index, classes=plain(classes))


def numbers_of(builder: GraphBuilder, tensor: str, n_outputs: int) -> list[Made]:
    """A prediction per output of DOUBLE [N, n_outputs]."""
    if n_outputs == 1:
        return [Made("prediction", flat(builder, tensor))]
    return [Made("prediction", column(builder, tensor, at)) for at in range(n_outputs)]


def of_kind(made: Sequence[Made], kind: Kind) -> list[Made]:
    """The blocks of one kind. Raises NotCompiled when there is none."""
    found = [one for one in made if one.kind == kind]
    if not found:
        raise NotCompiled("member-answer", f"A member of the model answers no {kind}.")
    return found


def in_order(made: Sequence[Made]) -> list[Made]:
    """By kind, as an answer has them."""
    kinds = ("prediction", "probabilities", "decision", "transform")
    return sorted(made, key=lambda one: kinds.index(one.kind))
