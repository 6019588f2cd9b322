"""Kernel machines: libsvm reads its arrays by the sizes of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.svm import SVC, NuSVC

from serving.runtimes.sklearn.structure.findings import array_of, indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "libsvm"


def check_libsvm(model: Any, place: Place) -> None:
    """SVC, NuSVC, SVR, NuSVR and OneClassSVM, dense and sparse."""
    held = vars(model)
    if "support_" not in held:
        return
    classifies = isinstance(model, SVC | NuSVC)
    n_classes = len(model.classes_) if classifies else 2
    pairs = n_classes * (n_classes - 1) // 2
    support = array_of(held["support_"], _KIND, place.attribute("support_"), np.int32, (None,))
    _check_fit_shape(model, support, place)
    counts = array_of(
        held.get("_n_support"), _KIND, place.attribute("_n_support"), np.int32, (n_classes,)
    )
    if classifies and ((counts < 0).any() or int(counts.sum()) != support.size):
        at = place.attribute("_n_support")
        refuse(
            _KIND, at, f"adds up to {int(counts.sum())}, {support.size} support vectors are there"
        )
    _check_vectors(model, support.size, place)
    _check_coefficients(held.get("_dual_coef_"), n_classes - 1, support.size, place)
    start = array_of(
        held.get("_intercept_"), _KIND, place.attribute("_intercept_"), np.float64, (pairs,)
    )
    require(np.isfinite(start).all(), "not-finite", place.attribute("_intercept_"), "not finite")
    _check_probabilities(model, pairs, place)
    fits = isinstance(held.get("_gamma"), float | int | np.number) and np.isfinite(held["_gamma"])
    require(fits, _KIND, place.attribute("_gamma"), "no finite number")


def _by_index(model: Any) -> bool:
    return callable(model.kernel) or model.kernel == "precomputed"


def _check_fit_shape(model: Any, support: np.ndarray, place: Place) -> None:
    shape = vars(model).get("shape_fit_")
    fits = isinstance(shape, tuple) and all(isinstance(n, int | np.integer) for n in shape)
    if not fits or len(shape) != 2:
        refuse(_KIND, place.attribute("shape_fit_"), f"{shape!r:.60}, rows and columns expected")
    if not indices_within(support, shape[0]):
        refuse(_KIND, place.attribute("support_"), f"an index that is not one of {shape[0]} rows")
    width = vars(model).get("n_features_in_")
    if not callable(model.kernel) and width != shape[1]:
        refuse(_KIND, place.attribute("n_features_in_"), f"{width!r:.40}, {shape[1]} expected")


def _check_vectors(model: Any, count: int, place: Place) -> None:
    """A kernel that is computed elsewhere keeps indices instead of vectors."""
    at = place.attribute("support_vectors_")
    vectors = vars(model).get("support_vectors_")
    is_sparse = bool(vars(model).get("_sparse"))
    if is_sparse != sparse.issparse(vectors) or (is_sparse and _by_index(model)):
        refuse(_KIND, at, f"a {type(vectors).__name__} does not suit this kernel")
    wanted = (0, 0) if _by_index(model) else (count, model.shape_fit_[1])
    if not is_sparse:
        array_of(vectors, _KIND, at, np.float64, wanted)
        require(np.isfinite(vectors).all(), "not-finite", at, "a support vector is not finite")
        return
    fits = vectors.format == "csr" and vectors.shape == wanted and vectors.dtype == np.float64
    require(fits, _KIND, at, f"{vectors.shape}, {wanted} as csr of float64 expected")


def _check_coefficients(found: Any, rows: int, count: int, place: Place) -> None:
    at = place.attribute("_dual_coef_")
    if sparse.issparse(found):
        # libsvm reads the values alone, as if none had been left out.
        fits = found.format == "csr" and found.shape == (rows, count)
        require(fits, _KIND, at, f"{found.shape}, ({rows}, {count}) as csr expected")
        found = found.data
        array_of(found, _KIND, at, np.float64, (rows * count,))
    else:
        array_of(found, _KIND, at, np.float64, (rows, count))
    require(np.isfinite(found).all(), "not-finite", at, "a coefficient is no finite number")


def _check_probabilities(model: Any, pairs: int, place: Place) -> None:
    held = vars(model)
    wanted = held.get("_effective_probability", held.get("probability"))
    for name in ("_probA", "_probB"):
        found = array_of(held.get(name), _KIND, place.attribute(name), np.float64, (None,))
        fits = found.size == pairs or (found.size == 0 and not wanted)
        require(fits, _KIND, place.attribute(name), f"{found.size} values, {pairs} expected")
    same = held["_probA"].size == held["_probB"].size
    require(same, _KIND, place.attribute("_probB"), "not as long as _probA")
