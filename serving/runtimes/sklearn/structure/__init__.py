"""Whether the arrays of a fitted object fit each other, before anything of it is called.

A file may hold nothing but trusted types and still end the process or make it run for ever: the
compiled parts of scikit-learn and scipy follow child nodes, index pointers and sizes unchecked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from registry.errors import CheckRefused
from serving.runtimes.sklearn.structure.findings import refuse
from serving.runtimes.sklearn.structure.table import CHECKS
from serving.runtimes.sklearn.structure.taming import run_alone
from serving.runtimes.sklearn.structure.walk import Place, TooMuch, is_code, walk
from serving.runtimes.sklearn.structure.wholes import check_attributes

__all__ = ["check_structure", "run_alone"]


def check_structure(estimator: Any) -> None:
    """Look at everything that can be reached from the object; nothing of it is called.

    Raises CheckRefused ``structure-<kind>`` with the path of the part that does not fit.
    """
    try:
        for part, place in walk(estimator):
            _check(part, place)
    except TooMuch as error:
        refuse(error.kind, error.place, str(error))


def _check(part: Any, place: Place) -> None:
    if hasattr(part, "__dict__") and not (is_code(part) or isinstance(part, np.ndarray)):
        check_attributes(part, place)
    kind: Any = type(part)
    for check in _checks_for(kind):
        try:
            check(part, place)
        except (CheckRefused, MemoryError):
            raise
        except Exception as error:  # an attribute of a type that no check expects
            refuse("unreadable", place, f"is no fitted {type(part).__name__}: {error!r}")


@cache
def _checks_for(kind: type) -> tuple[Callable[[Any, Place], None], ...]:
    """The checks of a class and of those above it, most general first."""
    return tuple(check for above in reversed(kind.__mro__) for check in CHECKS.get(above, ()))
