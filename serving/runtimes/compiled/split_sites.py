"""Where an estimator compares a number with a threshold, and what it compares: in the model host.

A site is a function from rows to a matrix of features, with the thresholds of some of its columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse
from sklearn import compose, ensemble, pipeline, preprocessing, tree

from serving.runtimes import boosted
from serving.runtimes.base import LoadedModel
from serving.runtimes.sklearn import anatomy
from serving.runtimes.sklearn.inputs import make_input
from serving.runtimes.sklearn.model import SklearnModel

Way = Callable[[Any], Any]
_TREES = tree._classes.BaseDecisionTree
_HIST = anatomy.HIST_BOOSTING
_MAX_SITES = 64


@dataclass(frozen=True, slots=True)
class Site:
    """``features`` makes a float matrix (n_rows, n_features) of a batch.

    ``thresholds`` (n,) belong to the columns ``columns`` (n,), each pair once. ``is_narrow``: the
    feature is cast to float32 before it is compared.
    """

    features: Callable[[pa.RecordBatch], np.ndarray]
    columns: np.ndarray
    thresholds: np.ndarray
    is_narrow: bool


def sites_of(model: LoadedModel) -> list[Site]:
    """All places where this model compares; empty for a model that compares nowhere."""
    if isinstance(model, SklearnModel):
        facts = model.facts()
        names = facts.feature_names

        def x_of(batch: pa.RecordBatch) -> Any:
            return make_input(facts.input_form, batch, names, model.plans)

        return [
            site
            for way, splits, is_narrow in _walk(model.estimator, ())
            if (site := _site(x_of, way, splits, is_narrow)) is not None
        ][:_MAX_SITES]
    if isinstance(model, boosted.BoostedModel):
        return _boosted_sites(model)
    return []


Splits = list[tuple[int, np.ndarray]]


def _site(x_of: Way, way: Sequence[Way], splits: Splits, is_narrow: bool) -> Site | None:
    pairs = [(feature, values[np.isfinite(values)]) for feature, values in splits]
    pairs = [(feature, np.unique(values)) for feature, values in pairs if len(values)]
    if not pairs:
        return None

    def features(batch: pa.RecordBatch) -> np.ndarray:
        x = x_of(batch)
        for step in way:
            x = step(x)
        return _matrix(x)

    return Site(
        features,
        np.concatenate([np.full(len(values), feature) for feature, values in pairs]),
        np.concatenate([values for _, values in pairs]),
        is_narrow,
    )


def _matrix(x: Any) -> np.ndarray:
    if sparse.issparse(x):
        x = x.toarray()
    found = np.asarray(x)
    if found.dtype == object:
        found = found.astype(np.float64)
    return found.reshape(len(found), -1)


def _walk(estimator: Any, way: tuple[Way, ...]) -> Iterator[tuple[tuple[Way, ...], Splits, bool]]:
    """Every comparing part with the steps that lead to it."""
    if isinstance(estimator, pipeline.Pipeline):
        steps = [step for _, step in estimator.steps if not anatomy._is_nothing(step)]
        for step in steps:
            yield from _walk(step, way)
            if hasattr(step, "transform"):
                way = (*way, step.transform)
    elif isinstance(estimator, pipeline.FeatureUnion):
        for _, step in estimator.transformer_list:
            if not isinstance(step, str):
                yield from _walk(step, way)
    elif isinstance(estimator, compose.ColumnTransformer):
        for _, step, columns in estimator.transformers_:
            if not isinstance(step, str):
                yield from _walk(step, (*way, _chooser(columns)))
    elif anatomy.under(estimator):
        for one in anatomy.under(estimator):
            yield from _walk(one, way)
    else:
        yield from _splits_of(estimator, way)


def _chooser(columns: Any) -> Way:
    from sklearn.utils import _safe_indexing

    return lambda x: _safe_indexing(x, columns, axis=1)


def _splits_of(
    estimator: Any, way: tuple[Way, ...]
) -> Iterator[tuple[tuple[Way, ...], Splits, bool]]:
    if isinstance(estimator, _HIST):
        inner = way if estimator._preprocessor is None else (*way, _preprocessed(estimator))
        yield inner, _of_hist(estimator), False
    elif isinstance(estimator, _TREES):
        yield way, _of_trees([estimator.tree_]), True
    elif isinstance(estimator, preprocessing.KBinsDiscretizer):
        yield way, list(enumerate(estimator.bin_edges_)), False
    elif isinstance(estimator, preprocessing.Binarizer):
        at = np.array([float(estimator.threshold)])
        yield way, [(feature, at) for feature in range(estimator.n_features_in_)], False
    else:
        members = _members(estimator)
        if members and all(isinstance(one, _TREES) for one in members):
            yield way, _of_trees([one.tree_ for one in members], _features_of(estimator)), True


def _members(estimator: Any) -> list[Any]:
    found = getattr(estimator, "estimators_", None)
    if found is None or isinstance(estimator, ensemble.StackingClassifier):
        return []
    return list(np.asarray(found, dtype=object).ravel())


def _features_of(estimator: Any) -> Sequence[np.ndarray] | None:
    """Bagging gives each member columns of its own."""
    return getattr(estimator, "estimators_features_", None)


def _preprocessed(estimator: Any) -> Way:
    return lambda x: estimator._preprocess_X(x, reset=False)


def _of_trees(trees: Sequence[Any], columns: Sequence[np.ndarray] | None = None) -> Splits:
    features, thresholds = [], []
    for at, one in enumerate(trees):
        inner = one.children_left >= 0
        feature = one.feature[inner]
        features.append(feature if columns is None else np.asarray(columns[at])[feature])
        thresholds.append(one.threshold[inner])
    return _by_feature(np.concatenate(features), np.concatenate(thresholds))


def _of_hist(estimator: Any) -> Splits:
    nodes = [one.nodes for stage in estimator._predictors for one in stage]
    whole = np.concatenate(nodes)
    inner = whole[(whole["is_leaf"] == 0) & (whole["is_categorical"] == 0)]
    return _by_feature(inner["feature_idx"].astype(np.int64), inner["num_threshold"])


def _by_feature(features: np.ndarray, thresholds: np.ndarray) -> Splits:
    order = np.argsort(features, kind="stable")
    known, starts = np.unique(features[order], return_index=True)
    parts = np.split(thresholds[order], starts[1:])
    return [(int(feature), part) for feature, part in zip(known, parts, strict=True)]


# --- boosters of their own libraries ------------------------------------------------------------


def _boosted_sites(model: Any) -> list[Site]:
    facts, features = model.facts(), model._features
    name = facts.estimator.partition(".")[0]
    found = {"xgboost": _of_xgboost, "lightgbm": _of_lightgbm}.get(name)
    if found is None:
        return []
    splits = [(at, values) for at, values in found(model) if features[at].categories is None]

    def x_of(batch: pa.RecordBatch) -> np.ndarray:
        return boosted.matrix_of(boosted.in_order(batch, facts), features, np.float64)

    site = _site(x_of, (), splits, name == "xgboost")
    return [] if site is None else [site]


def _of_xgboost(model: Any) -> Splits:
    names = model._booster.feature_names
    places = {name: at for at, name in enumerate(names or ())}
    features, thresholds = [], []
    for dumped in model._booster.get_dump(dump_format="json"):
        for node in _nodes(json.loads(dumped), ("children",)):
            value = node.get("split_condition")
            if isinstance(value, int | float):
                split = str(node["split"])
                features.append(places[split] if places else int(split[1:]))
                thresholds.append(float(np.float32(value)))
    return _by_feature(np.array(features, np.int64), np.array(thresholds))


def _of_lightgbm(model: Any) -> Splits:
    features, thresholds = [], []
    for tree_info in model._booster.dump_model()["tree_info"]:
        for node in _nodes(tree_info["tree_structure"], ("left_child", "right_child")):
            if node.get("decision_type") == "<=":
                features.append(int(node["split_feature"]))
                thresholds.append(float(node["threshold"]))
    return _by_feature(np.array(features, np.int64), np.array(thresholds))


def _nodes(root: Any, below: tuple[str, ...]) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        for name in below:
            found = node.get(name)
            waiting += found if isinstance(found, list) else [found] if found else []
