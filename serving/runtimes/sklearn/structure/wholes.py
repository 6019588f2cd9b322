"""What every object is held to: its arrays, its methods, its columns, its generators of numbers."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from registry.scan.pickle_list import METHODS
from serving.runtimes.sklearn.structure.findings import indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

# Set on the object over a plain constant of its class by scikit-learn and scipy themselves.
_MAY_SHADOW = frozenset({"positive", "__doc__"})
_NUMBERS_AND_TEXTS = frozenset("biufcOUSmM")
_MT19937_WORDS, _PHILOX_WORDS = 624, 4
# Searches keep masked arrays, and BisectingKMeans a matrix of the mean of sparse rows.
_KINDS_OF_ARRAY = (np.ndarray, np.ma.MaskedArray, np.matrix)


def check_array(array: np.ndarray, place: Place) -> None:
    """An array of a kind and byte order that scikit-learn makes."""
    dtype = array.dtype
    if type(array) not in _KINDS_OF_ARRAY:
        refuse("array", place, f"a {type(array).__name__}, which no fitted estimator keeps")
    plain = dtype.kind in _NUMBERS_AND_TEXTS or (dtype.kind == "V" and dtype.names is not None)
    require(plain, "array", place, f"the dtype {dtype}, which no fitted estimator keeps")
    if not dtype.isnative:
        refuse("array", place, f"the dtype {dtype} is not in this machine's byte order")


def check_attributes(one: Any, place: Place) -> None:
    """No attribute of the object takes the place of something that its class says."""
    kind: Any = type(one)
    of_class = _names_of_class(kind)
    for name in vars(one):
        if name in of_class and name not in _MAY_SHADOW:
            refuse(
                "shadowed-method", place.attribute(str(name)), "takes the place of the class's own"
            )


# Arguments whose length compiled code takes on trust.
_TRUSTED_ARGUMENTS = ("X_norm_squared", "Y_norm_squared")


def check_dict(held: dict[Any, Any], place: Place) -> None:
    """Keyword arguments for a function of numpy: one that writes into an array that the model
    keeps, or leaves a part of its answer unwritten, would hand what one caller sent to the next.
    """
    for name in _TRUSTED_ARGUMENTS:
        if isinstance(held.get(name), np.ndarray):
            refuse("metric", place.item(name), "an argument that no fitted estimator keeps")
    target = held.get("out")
    targets = target if isinstance(target, tuple | list) else (target,)
    if any(isinstance(one, np.ndarray) for one in targets):
        refuse("writes-back", place.item("out"), "an array that answers would be written into")
    # Where a ufunc is not to write, its answer is what memory held before: rows of others.
    chosen = held.get("where", True)
    if isinstance(chosen, np.ndarray) or (isinstance(chosen, bool | np.bool_) and not chosen):
        refuse("writes-back", place.item("where"), "leaves out what would have to be answered")


def check_bunch(bunch: Bunch, place: Place) -> None:
    """Its keys are its attributes, so that they could say how it is read or called."""
    for key in bunch:
        if type(key) is not str or key.startswith("_") or key in METHODS:
            refuse("shadowed-method", place.item(key), "a key that passes for a method")


@cache
def _names_of_class(kind: type) -> frozenset[str]:
    """What the class defines; slots, properties with a setter and cached values are its state."""
    return frozenset(
        name
        for above in kind.__mro__
        for name, value in vars(above).items()
        if not (inspect.isdatadescriptor(value) or type(value).__name__ == "cached_property")
    )


def check_columns(model: Any, place: Place) -> None:
    """The number and the names of the columns at fit."""
    held = vars(model)
    width = held.get("n_features_in_")
    at = place.attribute("n_features_in_")
    whole = isinstance(width, int | np.integer) and not isinstance(width, bool) and width >= 0
    require(width is None or whole, "columns", at, f"{width!r:.40}, a number of columns expected")
    names = held.get("feature_names_in_")
    if names is None:
        return
    at = place.attribute("feature_names_in_")
    fits = isinstance(names, np.ndarray) and names.ndim == 1 and names.dtype == object
    fits = fits and all(isinstance(name, str) for name in names.tolist())
    require(fits, "columns", at, "no row of names")
    fits = width is None or len(names) == width
    require(fits, "columns", at, f"{len(names)} names for {width} columns")


def check_chooser(model: Any, place: Place) -> None:
    """ColumnTransformer: which step takes which columns."""
    chosen = vars(model).get("_transformer_to_input_indices")
    if chosen is None:
        return
    at, width = place.attribute("_transformer_to_input_indices"), model.n_features_in_
    require(isinstance(chosen, dict), "columns", at, f"a {type(chosen).__name__}")
    for name, found in chosen.items():
        columns = np.asarray(found)
        fits = columns.ndim == 1 and (not columns.size or columns.dtype.kind in "iu")
        fits = fits and indices_within(columns, width)
        require(fits, "columns", at.item(name), f"no list of columns below {width}")
    steps = vars(model).get("transformers_", ())
    for number, entry in enumerate(steps):
        here = place.attribute("transformers_").item(number)
        require(len(entry) == 3, "columns", here, "no name, step and columns")
        step, taken = entry[1], chosen.get(entry[0])
        width = getattr(step, "n_features_in_", None) if isinstance(step, BaseEstimator) else None
        fits = taken is None or width is None or width == len(taken)
        require(fits, "columns", here, f"its step takes {width} columns")


def check_random_state(state: Any, place: Place) -> None:
    """A Mersenne twister or Philox: C reads their words at the position that they keep."""
    bits = state if hasattr(state, "random_raw") else state._bit_generator
    found = bits.state
    kind, inner = found.get("bit_generator"), found.get("state", {})
    if kind == "MT19937":
        words, at, most = inner["key"], inner["pos"], _MT19937_WORDS
    elif kind == "Philox":
        words, at, most = found["buffer"], found["buffer_pos"], _PHILOX_WORDS
    else:
        return
    fits = 0 <= at <= most and len(words) == most
    require(fits, "random-state", place, f"the position {at}, 0 to {most} expected")
