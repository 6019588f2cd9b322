"""What an estimator calls by a name that it keeps: only what scikit-learn puts there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from registry.scan.pickle_list import METHODS
from serving.runtimes.sklearn.structure.findings import require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "shadowed-method"
_ANSWERS = frozenset(
    {"auto", "decision_function", "predict", "predict_log_proba", "predict_proba", "score_samples"}
)
# Attributes that hold the name of a method of another estimator, or several names.
_NAMES = ("stack_method", "stack_method_", "chain_method", "chain_method_", "response_method")
# ``coef_``, or ``regressor_.coef_``: public attributes of fitted estimators.
_GETTER = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
# Attributes whose members are called: the members themselves, or each second of three.
_MEMBERS = (
    "best_estimator_",
    "calibrators",
    "classifier_",
    "estimator_",
    "estimators_",
    "final_estimator_",
    "imputer_",
    "initial_imputer_",
    "regressor_",
    "transformer_",
)
_STEPS = ("steps", "transformer_list", "transformers_")


def check_called(model: BaseEstimator, place: Place) -> None:
    """Names of methods are those of answers, and what is called is an estimator."""
    held = vars(model)
    for name in _NAMES:
        if name in held:
            fits = all(one is None or one in _ANSWERS for one in _leaves(held[name]))
            require(fits, _KIND, place.attribute(name), "no name of an answer")
    getter = held.get("importance_getter")
    if isinstance(getter, str):
        parts = set(getter.split("."))
        fits = _GETTER.fullmatch(getter) is not None and not parts & METHODS
        require(fits, _KIND, place.attribute("importance_getter"), "no name of an attribute")
    for name in _MEMBERS:
        fits = all(_is_called(one) for one in _leaves(held.get(name)))
        require(fits, _KIND, place.attribute(name), "a part that is no estimator")
    for name in _STEPS:
        fits = all(len(step) > 1 and _is_called(step[1]) for step in held.get(name) or ())
        require(fits, _KIND, place.attribute(name), "a step that is no estimator")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _is_called(one: Any) -> bool:
    """An estimator, or the word that stands for none."""
    return one is None or isinstance(one, BaseEstimator | str)
