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

DENSE_MAX_COLUMNS = 4096


def local_answers(estimator: Any, example: Any) -> dict[str, Any] | None:
    """``{"predictions": [...], "probabilities": [...]?}`` for each row, or None without a method.

    Several outputs make each answer ``{output: value}``; probabilities are keyed by label.
    UsageError when the estimator refuses the example, which it then would over there, too.
    """
    try:
        if hasattr(estimator, "predict"):
            return _predicted(estimator, example)
        if hasattr(estimator, "transform"):
            return _transformed(estimator, example)
    except UsageError:
        raise
    except Exception as exc:  # an estimator raises whatever it likes
        raise UsageError(
            f"The estimator cannot answer its own example: {type(exc).__name__}: {exc}"
        ) from exc
    return None


def _predicted(estimator: Any, example: Any) -> dict[str, Any] | None:
    predictions = estimator.predict(example)
    if getattr(predictions, "ndim", 1) > 1:
        return None if predictions.shape[1] != 1 else {"predictions": _cells(predictions[:, 0])}
    answer: dict[str, Any] = {"predictions": _cells(predictions)}
    if hasattr(estimator, "predict_proba"):
        probabilities = estimator.predict_proba(example)
        classes = getattr(estimator, "classes_", None)
        if classes is None or isinstance(probabilities, list) or len(probabilities.shape) != 2:
            return answer
        answer["probabilities"] = _by_label(list(classes), probabilities)
    return answer


def _by_label(classes: Sequence[Any], probabilities: Any) -> list[dict[str, Any]]:
    labels = [label_text(label) for label in classes]
    return [dict(zip(labels, _cells(row), strict=True)) for row in probabilities]


def _transformed(estimator: Any, example: Any) -> dict[str, Any] | None:
    """One value per named column; None where the columns have no names or are too many."""
    table = estimator.transform(example)
    if len(getattr(table, "shape", ())) != 2 or table.shape[1] > DENSE_MAX_COLUMNS:
        return None
    names = _column_names(estimator, table)
    if names is None:
        return None
    dense = table.toarray() if hasattr(table, "toarray") else table
    rows = dense.to_numpy() if hasattr(dense, "to_numpy") else dense
    return {"predictions": [dict(zip(names, _cells(row), strict=True)) for row in rows]}


def _column_names(estimator: Any, table: Any) -> list[str] | None:
    if hasattr(table, "columns"):
        return [str(name) for name in table.columns]
    try:
        return [str(name) for name in estimator.get_feature_names_out()]
    except Exception:  # absent, or raised by a step that has none
        return None


def _cells(values: Iterable[Any]) -> list[Any]:
    cells = values.tolist() if hasattr(values, "tolist") else list(values)
    return [_cell(cell) for cell in cells]


def _cell(value: Any) -> Any:
    """An answer never holds an infinity: the service writes null, so this does."""
    return None if isinstance(value, float) and math.isinf(value) else json_cell(value)
