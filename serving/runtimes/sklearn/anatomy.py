"""Takes a fitted estimator apart: which step touches which input column first, and what follows.

Composites (pipelines, column transformers, unions, searches, voting, ...) are opened; everything
else is a leaf, because it turns its input into an array before any inner estimator sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn import (
    calibration,
    compose,
    dummy,
    ensemble,
    feature_extraction,
    frozen,
    impute,
    model_selection,
    multiclass,
    multioutput,
    pipeline,
    preprocessing,
)
from sklearn.feature_extraction import text
from sklearn.impute._iterative import IterativeImputer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags

# They answer from what they have counted at the fit, and look at no input.
BLIND_STEPS = (dummy.DummyClassifier, dummy.DummyRegressor)
TEXT_STEPS = (text.CountVectorizer, text.HashingVectorizer)
DICT_STEPS = (feature_extraction.DictVectorizer, feature_extraction.FeatureHasher)
LABEL_STEPS = (
    preprocessing.LabelEncoder,
    preprocessing.LabelBinarizer,
    preprocessing.MultiLabelBinarizer,
)
ENCODERS = (
    preprocessing.OneHotEncoder,
    preprocessing.OrdinalEncoder,
    preprocessing.TargetEncoder,
)
IMPUTERS = (impute.SimpleImputer, impute.KNNImputer, impute.MissingIndicator, IterativeImputer)
HIST_BOOSTING = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)

# Wrappers that hand the very X that they get to what stands under these attributes.
_WRAPPERS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((BaseSearchCV,), "best_estimator_"),
    ((model_selection.TunedThresholdClassifierCV,), "estimator_"),
    ((model_selection.FixedThresholdClassifier,), "estimator_"),
    ((compose.TransformedTargetRegressor,), "regressor_"),
    ((frozen.FrozenEstimator,), "estimator"),
    ((ensemble.VotingClassifier, ensemble.VotingRegressor), "estimators_"),
    ((ensemble.StackingClassifier, ensemble.StackingRegressor), "estimators_"),
    ((multioutput.MultiOutputClassifier, multioutput.MultiOutputRegressor), "estimators_"),
    ((multiclass.OneVsRestClassifier, multiclass.OutputCodeClassifier), "estimators_"),
    ((calibration.CalibratedClassifierCV,), "calibrated_classifiers_"),
    ((calibration._CalibratedClassifier,), "estimator"),
)


@dataclass(frozen=True, slots=True)
class Branch:
    """What happens to some input columns.

    ``columns`` are 0-based positions in the input of the whole, None means all of them.
    ``chain`` are the steps in order: the leaf that is met first, then what comes after it (which
    may be composites). ``dropped``: nothing ever looks at these columns. ``named``: a column
    transformer chose the columns.
    """

    columns: tuple[int, ...] | None
    chain: tuple[Any, ...]
    dropped: bool = False
    named: bool = False

    @property
    def leaf(self) -> Any | None:
        """The step that meets the columns first; None where they pass untouched to the end."""
        return self.chain[0] if self.chain else None


def branches(estimator: Any, tail: tuple[Any, ...] = ()) -> Iterator[Branch]:
    """Every way that input columns take through the fitted estimator."""
    if _is_nothing(estimator):
        yield from _pass_on(tail)
    elif isinstance(estimator, pipeline.Pipeline):
        steps = tuple(step for _, step in estimator.steps if not _is_nothing(step))
        yield from _pass_on(steps + tail)
    elif isinstance(estimator, pipeline.FeatureUnion):
        for _, step in estimator.transformer_list:
            if not (isinstance(step, str) and step == "drop"):
                yield from branches(step, tail)
    elif isinstance(estimator, compose.ColumnTransformer):
        yield from _column_branches(estimator, tail)
    else:
        inner = under(estimator)
        if inner:
            for one in inner:
                yield from branches(one, tail)
        else:
            yield Branch(None, (estimator, *tail))


def _pass_on(chain: tuple[Any, ...]) -> Iterator[Branch]:
    if chain:
        yield from branches(chain[0], chain[1:])
    else:
        yield Branch(None, ())


def _column_branches(chooser: Any, tail: tuple[Any, ...]) -> Iterator[Branch]:
    for name, step, _ in chooser.transformers_:
        at = tuple(int(i) for i in chooser._transformer_to_input_indices.get(name, ()))
        if not at:
            continue
        if isinstance(step, str) and step == "drop":
            yield Branch(at, (), dropped=True, named=True)
            continue
        for branch in branches(step, tail):
            inner = at if branch.columns is None else tuple(at[i] for i in branch.columns)
            yield replace(branch, columns=inner, named=True)


def under(estimator: Any) -> tuple[Any, ...]:
    """The fitted estimators that get the very X of this wrapper; empty for anything else."""
    for types, attribute in _WRAPPERS:
        if isinstance(estimator, types):
            inner = getattr(estimator, attribute, ())
            return tuple(inner) if isinstance(inner, list | tuple) else (inner,)
    return ()


def _is_nothing(step: Any) -> bool:
    """A step that hands its input on: ``passthrough``, or what a fitted one has become."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return True
    return isinstance(step, preprocessing.FunctionTransformer) and step.func is None


def last(estimator: Any) -> Any:
    """The estimator that makes the answer, inside pipelines, searches and the like."""
    if isinstance(estimator, pipeline.Pipeline):
        steps = [step for _, step in estimator.steps if not _is_nothing(step)]
        return last(steps[-1]) if steps else estimator
    single = under(estimator)
    keeps_answer = isinstance(estimator, BaseSearchCV | frozen.FrozenEstimator)
    return last(single[0]) if keeps_answer and single else estimator


def recorded(estimator: Any, attribute: str) -> Any | None:
    """A fitted attribute such as ``feature_names_in_`` where it stands outermost."""
    found = getattr(estimator, attribute, None)
    if found is not None:
        return found
    if isinstance(estimator, pipeline.Pipeline):
        inner = tuple(step for _, step in estimator.steps if not _is_nothing(step))[:1]
    elif isinstance(estimator, pipeline.FeatureUnion):
        inner = tuple(step for _, step in estimator.transformer_list if not isinstance(step, str))
    else:
        inner = under(estimator)
    for one in inner:
        found = recorded(one, attribute)
        if found is not None:
            return found
    return None


def survives_missing(branch: Branch) -> bool:
    """Whether a missing value in these columns is answered rather than raised upon."""
    for step in branch.chain:
        fate = _fate_of_missing(step)
        if fate != "passes":
            return fate == "absorbs"
    return True


def _fate_of_missing(step: Any) -> str:
    """What a step does with NaN: ``refuses``, ``absorbs`` (none comes out) or ``passes`` it on."""
    inner = list(branches(step))
    if len(inner) != 1 or inner[0].chain != (step,):
        fates = {_fate_of_chain(branch) for branch in inner if not branch.dropped}
        return "refuses" if "refuses" in fates else "passes" if "passes" in fates else "absorbs"
    if isinstance(step, IMPUTERS):
        return "absorbs" if _is_missing(step.missing_values) else "refuses"
    if isinstance(step, ENCODERS):
        return _fate_in_encoder(step)
    if isinstance(step, DICT_STEPS):
        return "absorbs"
    if isinstance(step, TEXT_STEPS + LABEL_STEPS):
        return "refuses"
    return "passes" if get_tags(step).input_tags.allow_nan else "refuses"


def _fate_of_chain(branch: Branch) -> str:
    fates = [_fate_of_missing(step) for step in branch.chain]
    return next((fate for fate in fates if fate != "passes"), "passes")


def _fate_in_encoder(step: Any) -> str:
    if isinstance(step, preprocessing.TargetEncoder):
        return "absorbs"
    known = all(any(_is_missing(v) for v in found) for found in step.categories_)
    if not known and step.handle_unknown == "error":
        return "refuses"
    if isinstance(step, preprocessing.OrdinalEncoder):
        code = step.encoded_missing_value if known else step.unknown_value
        return "passes" if _is_missing(code) else "absorbs"
    return "absorbs"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def categories_at(branch: Branch) -> dict[int, np.ndarray] | None:
    """The known categories of each column of the branch by its position among them.

    None where the first step keeps none.
    """
    step = branch.leaf
    if isinstance(step, ENCODERS):
        return dict(enumerate(step.categories_))
    if isinstance(step, HIST_BOOSTING) and getattr(step, "_preprocessor", None) is not None:
        encoder = step._preprocessor.named_transformers_["encoder"]
        at = np.flatnonzero(step.is_categorical_)
        return dict(zip(at.tolist(), encoder.categories_, strict=True))
    return None
