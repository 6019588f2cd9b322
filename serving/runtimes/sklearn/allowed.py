"""What may be built out of an artifact: our lists, never one that a file brings along.

Both lists lie beside the scan and are the ones that it goes by: types for skops, and for pickles
exact globals with what each of them is for.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib import import_module, resources
from typing import Any

import numpy as np
import pandas as pd

from registry.scan.pickle_list import kind_of
from serving.runtimes.sklearn.stand_ins import OURS, NotAllowed, stand_in

__all__ = ["NotAllowed", "listed_global", "skops_types"]

SKOPS_LIST = "skops_types.json"
_CLASSES = frozenset({"argument", "estimator", "mapping", "object", "record"})


@cache
def skops_types() -> frozenset[str]:
    """Our list of types beyond those that skops itself trusts."""
    listed = json.loads(resources.files("registry.scan").joinpath(SKOPS_LIST).read_text())
    return frozenset(listed["types"] if isinstance(listed, dict) else listed)


def listed_global(module: str, name: str) -> Any:
    """The class or function ``module.name`` of our list, or what takes its place.

    Raises NotAllowed where it is not listed, is not there, or is something else than is listed.
    """
    kind = kind_of(module, name)
    if kind is None:
        raise NotAllowed(f"{module}.{name}")
    if kind == "stand-in":
        return stand_in(f"{module}.{name}")
    if kind == "ours":
        return _ours(f"{module}.{name}")
    try:
        import_module(module)
        found = getattr(sys.modules[module], name)
    except (ImportError, AttributeError) as error:
        raise NotAllowed(f"{module}.{name}") from error
    if not _is_as_listed(found, kind, module, name):
        raise NotAllowed(f"{module}.{name}")
    return found


def _ours(full: str) -> Any:
    """What this server puts in the place of the global, which itself is never handed out."""
    try:
        return OURS[full]
    except KeyError:
        raise NotAllowed(full) from None


def _is_as_listed(found: Any, kind: str, module: str, name: str) -> bool:
    """A class is the one that calls itself so; anything else can at least be called."""
    if isinstance(found, type):
        calls_itself = f"{found.__module__}.{found.__qualname__}"
        return calls_itself == f"{module}.{name}" or _is_moved(found, module)
    is_held = callable(found) or isinstance(found, np.ufunc) or found is pd.NA
    return kind not in _CLASSES and is_held


def _is_moved(found: type, module: str) -> bool:
    """numpy keeps its types under names of other modules and of other widths (``numpy.int64``)."""
    return module == "numpy" and issubclass(found, np.generic | np.dtype)
