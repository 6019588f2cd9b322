"""Boosted trees -> the native file of their library, which runs nothing when it is read.

The service takes XGBoost, LightGBM and CatBoost only so: in a skops or joblib file their classes
are foreign to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelyard.errors import CannotSave

_FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt", "catboost": "model.cbm"}


def native_format(model: Any) -> str | None:
    """``xgboost``, ``lightgbm`` or ``catboost`` for a model of theirs, None for any other."""
    library = type(model).__module__.partition(".")[0]
    writes = hasattr(model, "save_model") or hasattr(model, "booster_")
    return library if library in _FILES and writes else None


def save_native(model: Any, folder: Path, format: str) -> Path:
    """Write the model into the folder. CannotSave says why and what to do instead."""
    path = folder / _FILES[format]
    _check_labels(model, format)
    try:
        getattr(model, "booster_", model).save_model(str(path))
    except Exception as exc:  # each library has errors of its own
        text = str(exc).strip().split("\n", maxsplit=1)[0]
        raise CannotSave(f"{format} cannot save it: {type(exc).__name__}: {text}") from exc
    return path


def _check_labels(model: Any, format: str) -> None:
    """LightGBM's file keeps no labels: a classifier answers 0, 1, ... from it."""
    labels = getattr(model, "classes_", None) if format == "lightgbm" else None
    if labels is not None and list(labels) != list(range(len(labels))):
        raise CannotSave(
            f"LightGBM's file does not keep the labels {list(labels)[:5]}: from it the classifier "
            "answers 0, 1, ... Fit it on labels that are numbered from 0."
        )
