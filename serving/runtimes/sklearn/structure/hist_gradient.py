"""Histogram gradient boosting: nodes and bitsets that C follows unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import (
    PREDICTOR_RECORD_DTYPE,
    X_BITSET_INNER_DTYPE,
)

from serving.runtimes.sklearn.structure.findings import array_of, indices_within, refuse, require
from serving.runtimes.sklearn.structure.trees import check_children
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "hist-gradient"
_BITSET_WORDS = 8


def check_predictor(predictor: Any, place: Place) -> None:
    """One ``TreePredictor`` by itself."""
    at = place.attribute("nodes")
    nodes = array_of(vars(predictor).get("nodes"), _KIND, at, PREDICTOR_RECORD_DTYPE, (None,))
    require(nodes.size > 0, _KIND, at, "no node at all")
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"][inner], nodes["right"][inner]
    check_children(np.flatnonzero(inner), left, right, nodes.size, _KIND, at)
    split = nodes[inner]
    if np.isnan(split["num_threshold"][split["is_categorical"] == 0]).any():
        refuse("not-finite", at, "a threshold is NaN")
    if not np.isfinite(nodes["value"]).all():
        refuse("not-finite", at, "a node's value is no finite number")
    by_category = split["is_categorical"] != 0
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        bits = array_of(
            vars(predictor).get(name),
            _KIND,
            place.attribute(name),
            X_BITSET_INNER_DTYPE,
            (None, _BITSET_WORDS),
        )
        if not indices_within(split["bitset_idx"][by_category], len(bits)):
            refuse(_KIND, at, f"bitset_idx is out of range: {name} has {len(bits)} rows")


def check_boosting(model: Any, place: Place) -> None:
    """The predictors against the model's columns and classes."""
    rounds = vars(model).get("_predictors")
    if rounds is None:
        return
    require("_in_fit" not in vars(model), _KIND, place.attribute("_in_fit"), "only set during fit")
    width = vars(model).get("n_features_in_")
    mapper = vars(model).get("_bin_mapper")
    categorical = _categorical(mapper, model, place)
    columns = model.n_trees_per_iteration_
    _check_columns(model, columns, place)
    at = place.attribute("_predictors")
    for number, predictors in enumerate(rounds):
        here = at.item(number)
        require(len(predictors) == columns, _KIND, here, f"{columns} trees are expected")
        for k, predictor in enumerate(predictors):
            _check_features(predictor.nodes, categorical, int(width or 0), here.item(k))


def _categorical(mapper: Any, model: Any, place: Place) -> np.ndarray:
    """Which columns hold categories, as C looks it up by feature."""
    at = place.attribute("_bin_mapper")
    width = vars(model).get("n_features_in_")
    fits = isinstance(width, int | np.integer) and width == vars(model).get("_n_features")
    require(fits, _KIND, place.attribute("_n_features"), f"n_features_in_ is {width!r:.40}")
    found = array_of(
        vars(mapper).get("is_categorical_"),
        _KIND,
        at.attribute("is_categorical_"),
        np.uint8,
        (width,),
    )
    bins = vars(mapper).get("bin_thresholds_")
    fits = isinstance(bins, list) and len(bins) == width
    require(
        fits, _KIND, at.attribute("bin_thresholds_"), f"one array per {width} columns is expected"
    )
    for number, one in enumerate(bins or ()):
        array_of(one, _KIND, at.attribute("bin_thresholds_").item(number), np.float64, (None,))
    return found


def _check_features(nodes: np.ndarray, categorical: np.ndarray, width: int, place: Place) -> None:
    """Runs before the walk has come to the predictor, so the dtype is looked at here too."""
    array_of(nodes, _KIND, place.attribute("nodes"), PREDICTOR_RECORD_DTYPE, (None,))
    split = nodes[nodes["is_leaf"] == 0]
    if not indices_within(split["feature_idx"], width):
        refuse(_KIND, place.attribute("nodes"), f"feature_idx is not one of {width} columns")
    by_category = split["feature_idx"][split["is_categorical"] != 0]
    if not (categorical[by_category] != 0).all():
        refuse(_KIND, place.attribute("nodes"), "splits by category a column that has none")


def _check_columns(model: Any, columns: Any, place: Place) -> None:
    labels = getattr(model, "classes_", None)
    wanted = 1 if labels is None or len(labels) <= 2 else len(labels)
    if columns != wanted:
        refuse(_KIND, place.attribute("n_trees_per_iteration_"), f"{columns!r:.40}, not {wanted}")
    start = vars(model).get("_baseline_prediction")
    array_of(start, _KIND, place.attribute("_baseline_prediction"), np.float64, (1, wanted))
    if not np.isfinite(start).all():
        refuse("not-finite", place.attribute("_baseline_prediction"), "no finite number")
