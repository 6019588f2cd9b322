"""Everything that a fitted object holds, each part once, with the path that leads to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype
from sklearn.base import BaseEstimator

# Labels of pandas are made anew from plain values by what opens the file.
_LABELS = (pd.Index, ExtensionArray, ExtensionDtype, type(pd.NA))
_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, *_LABELS)
_SHOWN_STEPS = 12

MAX_PARTS = 5_000_000
MAX_NESTED_ESTIMATORS = 40


class Place:
    """A step on the way to a part; its text is the Python expression that leads there."""

    __slots__ = ("above", "estimators", "part", "step")

    def __init__(self, above: Place | None, step: str, part: Any = None) -> None:
        self.above = above
        self.step = step
        self.part = part
        # How many estimators this part is nested in, itself counted.
        outside = above.estimators if above is not None else 0
        self.estimators: int = outside + isinstance(part, BaseEstimator)

    def attribute(self, name: str) -> Place:
        """The place of an attribute of what stands here."""
        return Place(self, f".{name}")

    def item(self, key: Any) -> Place:
        """The place of an item of the container that stands here."""
        return Place(self, f"[{key!r:.60}]")

    def is_inside(self, part: Any) -> bool:
        """Whether the part stands somewhere on the way here."""
        at: Place | None = self
        while at is not None and at.part is not part:
            at = at.above
        return at is not None

    def __str__(self) -> str:
        steps: list[str] = []
        at: Place | None = self
        while at is not None:
            steps.append(at.step)
            at = at.above
        steps.reverse()
        if len(steps) > 2 * _SHOWN_STEPS:
            steps = [*steps[:_SHOWN_STEPS], "...", *steps[-_SHOWN_STEPS:]]
        return "".join(steps).removeprefix(".")


class TooMuch(Exception):
    """More parts than are looked at, estimators nested too deep, or one inside of itself."""

    def __init__(self, kind: str, place: Place, said: str) -> None:
        super().__init__(said)
        self.kind = kind
        self.place = place


def walk(root: Any) -> Iterator[tuple[Any, Place]]:
    """Every object and array that the root holds, outermost first; plain values are left out.

    A part that is held several times comes once. Raises TooMuch.
    """
    seen = {id(root)}
    waiting = [Place(None, "", root)]
    while waiting:
        place = waiting.pop()
        yield place.part, place
        if place.estimators > MAX_NESTED_ESTIMATORS:
            raise TooMuch("too-large", place, f"nested more than {MAX_NESTED_ESTIMATORS} deep")
        for part, step in held_by(place.part):
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(Place(place, step, part))
            elif isinstance(part, BaseEstimator) and place.is_inside(part):
                raise TooMuch("cycle", Place(place, step), "an estimator inside of itself")
        if len(seen) > MAX_PARTS:
            raise TooMuch("too-large", place, f"more than {MAX_PARTS} parts")


def held_by(one: Any) -> Iterator[tuple[Any, str]]:
    """What a part holds directly, with the step that leads to it; plain values are left out."""
    if isinstance(one, np.ndarray):
        if one.dtype == object:
            values = np.asarray(one).ravel().tolist()
            yield from ((v, f"[{at}]") for at, v in enumerate(values) if not _is_plain(v))
    elif isinstance(one, dict):
        yield from ((v, f"[{key!r:.60}]") for key, v in one.items() if not _is_plain(v))
        yield from ((key, ".keys()") for key in one if not _is_plain(key))
    elif isinstance(one, list | tuple | set | frozenset):
        yield from ((v, f"[{at}]") for at, v in enumerate(one) if not _is_plain(v))
    elif isinstance(one, functools.partial):
        yield from ((one.args, ".args"), (one.keywords, ".keywords"))
    if hasattr(one, "__dict__") and not is_code(one):
        yield from ((v, f".{name}") for name, v in vars(one).items() if not _is_plain(v))


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def is_code(one: Any) -> bool:
    """Functions, classes and modules belong to the libraries, not to the file."""
    return isinstance(one, type) or inspect.isroutine(one) or inspect.ismodule(one)
