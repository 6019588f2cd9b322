"""What a fitted scikit-learn object says about itself."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator

from registry.errors import CheckRefused
from registry.signature.facts import METHODS, InputForm, OutputFacts
from serving.runtimes import arrays
from serving.runtimes.base import Label, python_label
from serving.runtimes.sklearn import anatomy

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "skops")


def methods_of(estimator: Any) -> tuple[str, ...]:
    """The scoring methods that this very object has. Raises CheckRefused when it has none."""
    found = tuple(m for m in METHODS if callable(getattr(estimator, m, None)))
    if isinstance(estimator, BaseEstimator) and set(found) & {"predict", "transform"}:
        return found
    raise CheckRefused(
        "no-scoring-method",
        f"The file holds a {type(estimator).__qualname__}, which has neither predict nor"
        " transform. Register a fitted estimator that can be applied to new rows.",
        found=type(estimator).__qualname__,
    )


@cache
def libraries() -> dict[str, str]:
    """Installed versions of what a scikit-learn model is computed with."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def qualified_name(estimator: Any) -> str:
    """Such as ``sklearn.pipeline.Pipeline``, without private modules."""
    kind = type(estimator)
    public = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return ".".join([*public, kind.__qualname__])


def input_form_of(found: Sequence[anatomy.Branch], names: tuple[str, ...] | None) -> InputForm:
    """Which X the first steps take."""
    first = [branch.leaf for branch in found if not branch.named]
    if any(isinstance(leaf, anatomy.TEXT_STEPS + anatomy.LABEL_STEPS) for leaf in first):
        return "series"
    if any(isinstance(leaf, anatomy.DICT_STEPS) for leaf in first):
        return "records"
    return "matrix" if names is None else "frame"


def names_of(estimator: Any, found: Sequence[anatomy.Branch]) -> tuple[str, ...] | None:
    """The columns at fit, in order; for dicts the keys that the vectoriser has seen."""
    for branch in found:
        if isinstance(branch.leaf, anatomy.DICT_STEPS):
            return tuple(dict_keys(branch.leaf))
    names = anatomy.recorded(estimator, "feature_names_in_")
    return None if names is None else tuple(str(name) for name in names)


def dict_keys(step: Any) -> dict[str, tuple[str, ...]]:
    """Key -> its known texts, empty for a number: ``city=Rome`` came from the key ``city``."""
    if not hasattr(step, "feature_names_"):
        raise CheckRefused(
            "example-needed",
            f"A {type(step).__name__} keeps no names of what it was trained on. Use"
            " DictVectorizer.",
        )
    keys: dict[str, tuple[str, ...]] = {}
    for name in step.feature_names_:
        key, equals, value = str(name).partition(step.separator)
        keys[key] = (*keys.get(key, ()), value) if equals else keys.get(key, ())
    return keys


def classes_of(estimator: Any) -> tuple[tuple[Label, ...], ...] | None:
    """The labels of each output in ``classes_`` order; None for anything but a classifier.

    A multi-label model that keeps one indicator matrix has the labels 0 and 1 in every output.
    """
    found = getattr(estimator, "classes_", None)
    if found is None or not hasattr(estimator, "predict"):
        return None
    if isinstance(found, list):
        return tuple(_labels(one) for one in found)
    maker = anatomy.last(estimator)
    binarizer = getattr(maker, "label_binarizer_", None) or getattr(maker, "_label_binarizer", None)
    if getattr(binarizer, "y_type_", "").startswith("multilabel"):
        return tuple((0, 1) for _ in found)
    return (_labels(found),)


def _labels(found: Any) -> tuple[Label, ...]:
    return tuple(python_label(label) for label in np.asarray(found).tolist())


def output_facts(
    classes: tuple[tuple[Label, ...], ...] | None, predicted: Sequence[pa.Array] | None
) -> tuple[OutputFacts, ...]:
    """The outputs of ``predict``.

    ``predicted`` are the columns of one trial answer, None when there is none; their types count
    (a ClassifierChain answers 1.0 where its label is 1), else those of the labels.
    """
    if predicted and (classes is None or len(classes) == len(predicted)):
        kinds = [arrays.dtype_key(array) for array in predicted]
    else:
        kinds = [_type_of_labels(labels) for labels in classes or ((),)]
    labels_of: Sequence[tuple[Label, ...] | None] = classes or [None] * len(kinds)
    return tuple(
        OutputFacts(name, kind, labels)
        for name, kind, labels in zip(
            arrays.output_names(len(kinds)), kinds, labels_of, strict=True
        )
    )


def _type_of_labels(labels: Sequence[Label]) -> str:
    """The dtype key of the labels; ``float64`` when there are none, as for a regressor."""
    if not labels:
        return "float64"
    kinds = {type(label) for label in labels}
    for plain, key in ((bool, "boolean"), (int, "int64"), (float, "float64"), (str, "string")):
        if kinds == {plain}:
            return key
    named = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise CheckRefused(
        "mixed-labels", f"The class labels mix {named}. Train on labels of one type."
    )
