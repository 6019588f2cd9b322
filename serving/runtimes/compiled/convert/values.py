"""What flows between converters: numbers side by side, columns kept apart, and made answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from serving.runtimes.base import Kind, Label

Element = Literal["float64", "float32", "int64", "bool", "string"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A tensor [N, width] of numbers, elements as numpy has them at this place of the original.

    ``dtype`` is one of float64, float32, int64, bool and also the tensor's element type. NaN is
    missing. Narrower integers are int64 here: none of what is compiled counts on their overflow.
    """

    name: str
    width: int
    dtype: Element = "float64"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one column stands: the tensor [N, width], and the place among its columns."""

    tensor: str
    width: int = 1
    at: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame, or of an array of objects.

    ``element`` is the type of its tensor. ``dtype`` is what pandas or numpy call the column in
    the original: ``object`` for truth values with missing ones; a column of whole numbers may
    stand in a tensor of doubles. ``missing`` is where a BOOL tensor is true for missing texts
    (they are "" themselves); None where none can be. Missing numbers are NaN.
    ``none_is_missing``: the original has None there, not NaN. ``fill`` is the text that an
    imputer put in place of the missing ones. ``categories``: a pandas category with these values.
    """

    cells: Place
    element: Element
    dtype: str
    missing: Place | None = None
    none_is_missing: bool = False
    fill: str | None = None
    categories: tuple[Any, ...] | None = None

    @property
    def is_text(self) -> bool:
        """Whether its cells are texts."""
        return self.element == "string"


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns side by side that are not one matrix of numbers: a frame, or an array of objects."""

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.columns)

    def picked(self, positions: Sequence[int]) -> Frame:
        """The columns at these positions, in this order."""
        return Frame(tuple(self.columns[int(at)] for at in positions))


@dataclass(frozen=True, slots=True)
class Tensor:
    """The only column as a tensor [N, *shape] DOUBLE, or a column of texts handed over as [N]."""

    name: str
    shape: tuple[int, ...]
    dtype: Element = "float64"


Value = Matrix | Frame | Tensor


@dataclass(frozen=True, slots=True)
class Made:
    """One block of the answer, in the order of outputs within its kind.

    ``tensor``: [N] for a prediction (INT64 indexes into ``classes`` where that is given, else
    DOUBLE, INT64, BOOL or STRING), [N, columns] DOUBLE for the other kinds, [N] for a decision of
    one column. ``output`` and ``labels`` may stay None: they are taken from what the original
    answers to a trial row.
    """

    kind: Kind
    tensor: str
    output: str | None = None
    labels: tuple[Label, ...] | None = None
    classes: tuple[Label, ...] | None = None


def plain(values: np.ndarray | Sequence[Any]) -> tuple[Label, ...]:
    """Labels as plain Python values, in order."""
    return tuple(np.asarray(values).tolist())
