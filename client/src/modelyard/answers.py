"""What the trainer's own process answers to the example rows, as ``/predict`` would write it.

Sent along as ``expected``: a service whose library versions answer differently shows there, by
row, before anybody relies on it. What cannot be written in one sure way is left out, never
guessed: a wrong expectation would refuse a good model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from modelyard.cells import json_cell, label_text
from modelyard.errors import UsageError
from modelyard.optional import is_frame

DENSE_MAX_COLUMNS = 4096


def local_answers(estimator: Any, example: Any) -> dict[str, Any] | None:
    """``{"predictions": [...], "probabilities": [...]?}`` for each row, or None without a method.

    Several outputs make each answer ``{output: value}``; probabilities are keyed by label. An
    estimator that only transforms answers with its columns as outputs.
    UsageError when the estimator refuses the example, which it then would over there, too.
    """
    try:
        answers = _answers(estimator, example)
        has_one_column = is_frame(example) and example.shape[1] == 1
        if answers and has_one_column and len(answers["predictions"]) != len(example):
            # A text vectoriser iterates over the columns of a frame.
            return _answers(estimator, example.iloc[:, 0])
        return answers
    except UsageError:
        raise
    except Exception as exc:  # an estimator raises whatever it likes
        raise UsageError(
            f"The estimator cannot answer its own example: {type(exc).__name__}: {exc}"
        ) from exc


def _answers(estimator: Any, example: Any) -> dict[str, Any] | None:
    if hasattr(estimator, "predict"):
        return _predicted(estimator, example)
    if hasattr(estimator, "transform"):
        return _transformed(estimator, example)
    return None


def _predicted(estimator: Any, example: Any) -> dict[str, Any]:
    predictions = _dense(estimator.predict(example))
    outputs = predictions.shape[1] if getattr(predictions, "ndim", 1) > 1 else 1
    if outputs == 1:
        cells = predictions.reshape(-1) if hasattr(predictions, "reshape") else predictions
        answer: dict[str, Any] = {"predictions": _cells(cells)}
    else:
        answer = {"predictions": [_by_output(_cells(row)) for row in predictions]}
    if hasattr(estimator, "predict_proba"):
        probabilities = _probabilities(estimator, estimator.predict_proba(example), outputs)
        if probabilities is not None:
            answer["probabilities"] = probabilities
    return answer


def _probabilities(estimator: Any, returned: Any, outputs: int) -> list[dict[str, Any]] | None:
    """Keyed by label; with several outputs by output, then by label.

    With several outputs a list holds one matrix for each; one matrix alone holds the probability
    of label 1 of each. None where the shapes say neither.
    """
    classes = getattr(estimator, "classes_", None)
    if isinstance(returned, list):
        if classes is None or not len(classes) == len(returned) == outputs:
            return None
        tables = [_by_label(known, one) for known, one in zip(classes, returned, strict=True)]
        if outputs == 1:
            return tables[0]
        return [_by_output(row) for row in zip(*tables, strict=True)]
    matrix = _dense(returned)
    if outputs > 1:
        fits = matrix.shape[1] == outputs
        return [_by_output([{"1": p} for p in _cells(row)]) for row in matrix] if fits else None
    if classes is None or len(classes) != matrix.shape[1]:
        return None
    return _by_label(classes, matrix)


def _by_output(values: Sequence[Any]) -> dict[str, Any]:
    """scikit-learn keeps no names of its outputs: they are y0, y1, ... in the service, too."""
    return {f"y{i}": value for i, value in enumerate(values)}


def _by_label(classes: Iterable[Any], probabilities: Any) -> list[dict[str, Any]]:
    labels = [label_text(label) for label in _plain_list(classes)]
    return [dict(zip(labels, _cells(row), strict=True)) for row in _dense(probabilities)]


def _transformed(estimator: Any, example: Any) -> dict[str, Any] | None:
    """A value for an only column, else one per name; None for no names or too many columns."""
    table = estimator.transform(example)
    if len(getattr(table, "shape", ())) != 2 or table.shape[1] > DENSE_MAX_COLUMNS:
        return None
    rows = table.to_numpy() if hasattr(table, "to_numpy") else _dense(table)
    if table.shape[1] == 1:
        return {"predictions": _cells(rows[:, 0])}
    names = _column_names(estimator, table.shape[1])
    if names is None:
        return None
    return {"predictions": [dict(zip(names, _cells(row), strict=True)) for row in rows]}


def _column_names(estimator: Any, width: int) -> list[str] | None:
    """The names that the estimator itself gives: the service has no others to go by."""
    try:
        names = [str(name) for name in estimator.get_feature_names_out()]
    except Exception:  # absent, or raised by a step that has none
        return None
    return names if len(names) == width > 0 else None


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def _plain_list(values: Iterable[Any]) -> list[Any]:
    return list(values.tolist()) if hasattr(values, "tolist") else list(values)


def _cells(values: Iterable[Any]) -> list[Any]:
    return [_cell(cell) for cell in _plain_list(values)]


def _cell(value: Any) -> Any:
    """An answer never holds an infinity: the service writes null, so this does."""
    return None if isinstance(value, float) and math.isinf(value) else json_cell(value)
