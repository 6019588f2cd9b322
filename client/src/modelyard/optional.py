"""Packages that are used when they are there. Everything heavy is imported here, and late."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from modelyard.errors import MissingExtra


def have(name: str) -> bool:
    """Whether the package can be imported."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


def need(name: str, purpose: str, *, extra: str = "frames") -> Any:
    """The module, or MissingExtra that says what it is for and how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        package = name.split(".", maxsplit=1)[0]
        raise MissingExtra(
            f"{purpose} needs the package {package}: pip install 'modelyard-client[{extra}]'."
        ) from exc


def is_frame(value: object) -> bool:
    """Whether it is a pandas DataFrame; pandas is not imported to find that out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_series(value: object) -> bool:
    """Whether it is a pandas Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def is_array(value: object) -> bool:
    """Whether it is a numpy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def is_arrow(value: object) -> bool:
    """Whether it is an Arrow table or batch, or a frame that speaks Arrow's C interface."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
