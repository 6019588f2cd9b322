"""What a fitted scikit-learn object says about itself."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator

from registry.errors import CheckRefused
from registry.signature.facts import METHODS, ColumnHint, InputForm, OutputFacts
from serving.runtimes import arrays
from serving.runtimes.base import Label, python_label
from serving.runtimes.sklearn import anatomy
from serving.runtimes.sklearn.inputs import ColumnPlan

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
            return tuple(_dict_keys(branch.leaf))
    names = anatomy.recorded(estimator, "feature_names_in_")
    return None if names is None else tuple(str(name) for name in names)


def _dict_keys(step: Any) -> dict[str, tuple[str, ...]]:
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


def _is_text(leaves: Sequence[Any]) -> bool:
    return any(isinstance(leaf, anatomy.TEXT_STEPS) for leaf in leaves)


def column_hints(
    found: Sequence[anatomy.Branch], names: tuple[str, ...] | None, n_features: int | None
) -> dict[str, ColumnHint]:
    """A hint for every column; names ``x0``, ``x1``, ... where the object knows none."""
    for branch in found:
        if isinstance(branch.leaf, anatomy.DICT_STEPS):
            return {
                key: ColumnHint("string" if texts else "float64", True, texts or None)
                for key, texts in _dict_keys(branch.leaf).items()
            }
    labels = names or tuple(f"x{i}" for i in range(n_features or 1))
    return {name: _hint(found, at, len(labels)) for at, name in enumerate(labels)}


def _touching(
    found: Sequence[anatomy.Branch], at: int, width: int
) -> list[tuple[anatomy.Branch, int]]:
    """The branches that column ``at`` takes, with its position in each."""
    pairs = []
    for branch in found:
        columns = range(width) if branch.columns is None else branch.columns
        if at in columns:
            pairs.append((branch, list(columns).index(at)))
    return pairs


def _hint(found: Sequence[anatomy.Branch], at: int, width: int) -> ColumnHint:
    touching = _touching(found, at, width)
    known = _known_at(touching)
    leaves = [branch.leaf for branch, _ in touching]
    texts = known is not None and any(isinstance(value, str) for value in known)
    return ColumnHint(
        type="string" if _is_text(leaves) or texts else None,
        accepts_missing=all(anatomy.survives_missing(branch) for branch, _ in touching),
        categories=known,
        unknown_raises=any(_raises_on_unknown(leaf) for leaf in leaves),
        dtype_category=any(_wants_category(branch.leaf, at) for branch, at in touching),
    )


def _known_at(touching: Sequence[tuple[anatomy.Branch, int]]) -> tuple[Label, ...] | None:
    """The categories of the first encoder that takes the column, without the missing one."""
    for branch, position in touching:
        by_position = anatomy.categories_at(branch) or {}
        if position in by_position:
            values = by_position[position]
            if values.dtype.kind == "M":
                return None
            known = [v for v in values.tolist() if isinstance(v, bool | int | float | str)]
            return tuple(v for v in known if v == v)
    return None


def _raises_on_unknown(leaf: Any) -> bool:
    raising = getattr(leaf, "handle_unknown", None) == "error"
    return isinstance(leaf, anatomy.ENCODERS) and raising


def _wants_category(leaf: Any, position: int) -> bool:
    if not isinstance(leaf, anatomy.HIST_BOOSTING) or leaf.is_categorical_ is None:
        return False
    by_dtype = isinstance(leaf.categorical_features, str)
    return by_dtype and bool(leaf.is_categorical_[position])


def takes_numbers_only(found: Sequence[anatomy.Branch], hints: dict[str, ColumnHint]) -> bool:
    """Whether every column may be read as float64."""
    if any(hint.type == "string" or hint.dtype_category for hint in hints.values()):
        return False
    return all(_takes_numbers(branch) for branch in found)


def _takes_numbers(branch: anatomy.Branch) -> bool:
    leaf = branch.leaf
    if branch.dropped or leaf is None:
        return False
    if isinstance(leaf, anatomy.TEXT_STEPS + anatomy.DICT_STEPS + anatomy.LABEL_STEPS):
        return False
    if isinstance(leaf, anatomy.IMPUTERS):
        fitted = getattr(leaf, "_fit_dtype", np.dtype(np.float64))
        return bool(np.dtype(fitted).kind in "biuf")
    known = anatomy.categories_at(branch)
    if known is not None:
        return all(values.dtype.kind in "biuf" for values in known.values())
    return True


def column_plans(
    found: Sequence[anatomy.Branch], names: Sequence[str], hints: Mapping[str, ColumnHint]
) -> dict[str, ColumnPlan]:
    """How each column is handed over; only the columns that need something are named."""
    plans = {}
    for at, name in enumerate(names):
        plan = _plan(_touching(found, at, len(names)), hints[name])
        if plan != ColumnPlan():
            plans[name] = plan
    return plans


def _plan(touching: Sequence[tuple[anatomy.Branch, int]], hint: ColumnHint) -> ColumnPlan:
    by_branch = [(anatomy.categories_at(branch) or {}, at) for branch, at in touching]
    arrays = [known[at] for known, at in by_branch if at in known]
    present = [v for v in (arrays[0] if arrays else ()) if v is not None and v == v]
    leaves = [branch.leaf for branch, _ in touching]
    return ColumnPlan(
        none_is_missing=any(None in a.tolist() for a in arrays if a.dtype.kind == "O")
        or any(_misses_none(leaf) for leaf in leaves),
        naive_time=any(a.dtype.kind == "M" for a in arrays),
        categories=tuple(present) if hint.dtype_category else None,
        sample=present[0] if present else None,
    )


def _misses_none(leaf: Any) -> bool:
    return isinstance(leaf, anatomy.IMPUTERS) and getattr(leaf, "missing_values", 0) is None


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
