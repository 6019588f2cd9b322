"""Encoders, vocabularies and splines: positions that become the columns of a sparse array."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.sklearn.structure.findings import array_of, indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "encoder"


def check_categories(encoder: Any, place: Place) -> None:
    """OneHotEncoder, OrdinalEncoder, TargetEncoder: one list of categories per column."""
    held = vars(encoder)
    if "categories_" not in held:
        return
    known, at = held["categories_"], place.attribute("categories_")
    width = held.get("n_features_in_")
    require(
        isinstance(known, list | tuple) and len(known) == width,
        _KIND,
        at,
        f"not one list for each of {width!r:.40} columns",
    )
    for number, one in enumerate(known):
        fits = isinstance(one, np.ndarray) and one.ndim == 1
        require(fits, _KIND, at.item(number), "no row of categories")
    _check_groups(encoder, place)


def _check_groups(encoder: Any, place: Place) -> None:
    """Rare categories are grouped: each is mapped into the range of what remains."""
    held = vars(encoder)
    mappings = held.get("_default_to_infrequent_mappings") or ()
    rare = held.get("_infrequent_indices") or ()
    at = place.attribute("_default_to_infrequent_mappings")
    if not held.get("_infrequent_enabled"):
        return
    count = len(held["categories_"])
    require(len(mappings) == len(rare) == count, _KIND, at, f"not one for each of {count} columns")
    missing = held.get("_missing_indices") or {}
    for number, (mapping, indices) in enumerate(zip(mappings, rare, strict=True)):
        # OrdinalEncoder leaves the missing category, which is the last one, out of the mapping.
        known = len(held["categories_"][number]) - (number in missing)
        if (mapping is None) != (indices is None):
            refuse(_KIND, at.item(number), "a mapping without rare categories, or the other way")
        if mapping is None:
            continue
        found = array_of(mapping, _KIND, at.item(number), np.int64, (known,))
        fits = indices_within(np.asarray(indices), known)
        remain = known - len(indices) + 1
        require(
            fits and indices_within(found, remain), _KIND, at.item(number), f"not below {remain}"
        )


def check_one_hot(encoder: Any, place: Place) -> None:
    """The columns that each input column becomes are as many as its categories make."""
    held = vars(encoder)
    found = held.get("_n_features_outs")
    if found is None:
        return
    wanted = [int(count) for count in encoder._compute_n_features_outs()]
    fits = isinstance(found, list) and found == wanted
    require(
        fits, _KIND, place.attribute("_n_features_outs"), f"{found!r:.60}, {wanted!r:.60} expected"
    )
    dropped = held.get("_drop_idx_after_grouping")
    if dropped is not None:
        for number, one in enumerate(np.atleast_1d(dropped).tolist()):
            fits = one is None or 0 <= one < len(held["categories_"][number])
            at = place.attribute("_drop_idx_after_grouping").item(number)
            require(fits, _KIND, at, f"{one!r:.40} is no category")


def check_target_encodings(encoder: Any, place: Place) -> None:
    """TargetEncoder: one number for each category."""
    found = vars(encoder).get("encodings_")
    if found is None:
        return
    at = place.attribute("encodings_")
    known = vars(encoder).get("categories_", ())
    classes = vars(encoder).get("classes_")
    several = vars(encoder).get("target_type_") == "multiclass" and classes is not None
    wanted = [one for one in known for _ in range(len(classes) if several else 1)]
    require(len(found) == len(wanted), "shape", at, f"{len(found)} arrays, {len(wanted)} expected")
    lengths = sorted(len(one) for one in found) == sorted(len(one) for one in wanted)
    require(lengths, "shape", at, "not one number for each category")


def check_bins(model: Any, place: Place) -> None:
    """KBinsDiscretizer: edges per column, and an encoder of just as many bins."""
    edges = vars(model).get("bin_edges_")
    if edges is None:
        return
    at, width = place.attribute("bin_edges_"), vars(model).get("n_features_in_")
    require(len(edges) == width, "shape", at, f"not one row for each of {width!r:.40} columns")
    encoder = vars(model).get("_encoder")
    known = vars(encoder).get("categories_") if encoder is not None else None
    for number, one in enumerate(edges):
        array_of(one, "shape", at.item(number), np.asarray(one).dtype, (None,))
        bins = len(one) - 1
        fits = bins == model.n_bins_[number] and (known is None or len(known[number]) == bins)
        require(fits, "shape", at.item(number), f"{bins} bins, another number is kept beside it")


def check_vocabulary(model: Any, place: Place) -> None:
    """CountVectorizer and DictVectorizer: every position once, from 0 on."""
    words = vars(model).get("vocabulary_")
    if words is None:
        return
    at = place.attribute("vocabulary_")
    # A defaultdict would learn the words of callers.
    require(type(words) is dict, "vocabulary", at, f"a {type(words).__name__}, a dict expected")
    whole = all(isinstance(value, int | np.integer) for value in words.values())
    require(whole, "vocabulary", at, "a position that is no whole number")
    positions = np.fromiter(words.values(), dtype=np.float64, count=len(words))
    fits = not positions.size or (positions.min() >= 0 and positions.max() < len(words))
    fits = fits and len(np.unique(positions)) == len(words)
    require(fits, "vocabulary", at, f"positions are not 0 to {len(words) - 1}, each once")
    names = vars(model).get("feature_names_")
    fits = names is None or len(names) == len(words)
    require(fits, "vocabulary", place.attribute("feature_names_"), f"not {len(words)} names")
    weights = getattr(vars(model).get("_tfidf"), "idf_", None)
    if weights is not None:
        array_of(
            weights, "vocabulary", place.attribute("_tfidf.idf_"), weights.dtype, (len(words),)
        )


def check_spline(spline: Any, place: Place) -> None:
    """A scipy BSpline: C reads coefficients by the number of knots."""
    degree = spline.k
    fits = isinstance(degree, int | np.integer) and 0 <= degree <= 100
    require(fits, "spline", place.attribute("k"), f"{degree!r:.40}, a degree expected")
    knots = array_of(spline.t, "spline", place.attribute("t"), np.float64, (None,))
    rises = np.isfinite(knots).all() and (np.diff(knots) >= 0).all()
    require(rises, "spline", place.attribute("t"), "knots that do not rise, or are not finite")
    count = len(knots) - int(degree or 0) - 1
    weights = spline.c
    fits = isinstance(weights, np.ndarray) and weights.dtype == np.float64 and weights.ndim >= 1
    fits = fits and count > int(degree or 0) and len(weights) >= count
    require(fits, "spline", place.attribute("c"), f"{count} coefficients or more are expected")


def check_splines(model: Any, place: Place) -> None:
    """SplineTransformer: one spline per column, all of one size."""
    found = vars(model).get("bsplines_")
    if found is None:
        return
    at, width = place.attribute("bsplines_"), vars(model).get("n_features_in_")
    require(len(found) == width, "spline", at, f"not one for each of {width!r:.40} columns")
    sizes = {(len(one.t), one.c.shape, one.k) for one in found}
    require(len(sizes) <= 1, "spline", at, "of several sizes: one is expected")
    fits = all(one.k == model.degree for one in found)
    require(fits, "spline", at, f"not of the degree {model.degree!r:.40}")
