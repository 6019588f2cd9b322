"""The shapes of fitted arrays, as a table, and the one check that reads it.

A shape is written as its sizes: ``F`` are the columns at fit, ``K`` the classes, ``B`` the classes
too, but 1 where there are two, a numeral is itself, ``*`` is any size, and every other letter is
any size, but the same one everywhere in the same estimator. ``|`` stands between choices. Nothing
after the mark means a single number.

Marks before it: ``?`` None may stand there instead; ``~`` NaN and infinity may be in it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from serving.runtimes.sklearn.structure.families import SHAPES
from serving.runtimes.sklearn.structure.findings import refuse, require
from serving.runtimes.sklearn.structure.walk import Place

Choice = tuple[str, ...]


def check_shapes(model: Any, place: Place) -> None:
    """Every attribute of the table that the model has."""
    held = vars(model)
    kind: Any = type(model)
    sizes = _known_sizes(model)
    for name, text in _lines_for(kind).items():
        if name not in held:
            continue
        marks, choices = _read(text)
        at = place.attribute(name)
        if "F" in text and "F" not in sizes:
            # Without it scikit-learn hands rows of any width to its compiled parts.
            refuse("columns", place.attribute("n_features_in_"), f"is absent, and {name} needs it")
        if held[name] is None:
            require("?" in marks, "shape", at, f"None, {text} expected")
            continue
        _check_one(held[name], choices, sizes, at)
        if "~" not in marks:
            _check_finite(held[name], at)


def _check_one(value: Any, choices: tuple[Choice, ...], sizes: dict[str, int], at: Place) -> None:
    is_array = type(value) is np.ndarray or sparse.issparse(value)
    if is_array or isinstance(value, np.generic | float | int):
        if np.dtype(getattr(value, "dtype", float)).kind in "biufc" and any(
            _fits(choice, np.shape(value) if not sparse.issparse(value) else value.shape, sizes)
            for choice in choices
        ):
            return
        found = f"{getattr(value, 'dtype', type(value).__name__)} {np.shape(value)}"
    else:
        found = f"a {type(value).__name__}"
    wanted = " or ".join(f"({', '.join(choice)})" for choice in choices)
    known = ", ".join(f"{letter} is {size}" for letter, size in sizes.items())
    refuse("shape", at, f"{found}, numbers {wanted} expected, where {known}")


def _fits(choice: Choice, shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether the shape is the choice; then the sizes of new letters are kept."""
    if len(choice) != len(shape):
        return False
    new: dict[str, int] = {}
    for letter, size in zip(choice, shape, strict=True):
        known = int(letter) if letter.isdigit() else sizes.get(letter, new.get(letter))
        if letter != "*" and known is not None and known != size:
            return False
        if letter != "*" and not letter.isdigit():
            new[letter] = size
    sizes.update(new)
    return True


def _check_finite(value: Any, at: Place) -> None:
    numbers = value.data if sparse.issparse(value) else np.asarray(value)
    if numbers.dtype.kind in "fc" and not np.isfinite(numbers).all():
        refuse("not-finite", at, "holds a NaN or an infinity")


def _known_sizes(model: Any) -> dict[str, int]:
    sizes = {}
    width = vars(model).get("n_features_in_")
    if isinstance(width, int | np.integer):
        sizes["F"] = int(width)
    classes = vars(model).get("classes_")
    if isinstance(classes, np.ndarray):
        sizes["K"] = len(classes)
        sizes["B"] = 1 if len(classes) == 2 else len(classes)
    return sizes


@cache
def _lines_for(kind: type) -> dict[str, str]:
    """The lines of a class and of those above it; its own count."""
    found: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        found |= SHAPES.get(above.__name__, {}) if above.__module__.startswith("sklearn.") else {}
    return found


@cache
def _read(text: str) -> tuple[str, tuple[Choice, ...]]:
    marks = text[: len(text) - len(text.lstrip("?~"))]
    choices = text[len(marks) :].split("|")
    return marks, tuple(tuple(choice.split()) for choice in choices)
