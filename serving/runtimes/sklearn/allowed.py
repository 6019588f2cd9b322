"""What may be built out of an artifact: our lists, never one that a file brings along.

skops types come from the reviewed list beside the scan. Pickle globals follow a rule by module
for now: such a file is only opened after a person has approved its very bytes. The exact list of
globals replaces ``may_build`` when the gate has it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

SKOPS_LIST = "skops_types.json"

_EXACT = frozenset(
    {
        "builtins.bytearray",
        "builtins.complex",
        "builtins.frozenset",
        "builtins.object",
        "builtins.range",
        "builtins.set",
        "builtins.slice",
        "collections.OrderedDict",
        "collections.defaultdict",
        "copyreg._reconstructor",
        "functools.partial",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
        "numpy.ma.core._mareconstruct",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
        "pandas._libs.internals._unpickle_block",
        "pandas.core.indexes.base._new_Index",
    }
)
# Classes, and for scikit-learn functions too, of these packages may be named, except below.
_CLASSES_OF = (
    "numpy.random.",
    "numpy.dtypes.",
    "pandas.core.arrays.",
    "pandas.core.dtypes.",
    "pandas.core.frame.",
    "pandas.core.indexes.",
    "pandas.core.internals.",
    "pandas.core.series.",
    "scipy.interpolate.",
    "scipy.sparse.",
    "scipy.stats.",
    "sklearn.",
)
_NEVER = (
    "sklearn.conftest",
    "sklearn.datasets",
    "sklearn.externals",
    "sklearn.utils._testing",
    "sklearn.utils.parallel",
)


class NotAllowed(Exception):
    """A global that is not built here; ``str()`` is its full name."""


@cache
def skops_types() -> frozenset[str]:
    """Our list of types beyond those that skops itself trusts."""
    listed = json.loads(resources.files("registry.scan").joinpath(SKOPS_LIST).read_text())
    return frozenset(listed["types"] if isinstance(listed, dict) else listed)


def may_build(module: str, name: str, found: Any) -> bool:
    """Whether a pickle may name ``module.name``, which resolved to ``found``.

    Dotted names are refused before: ``("pathlib", "os.system")`` would reach anything.
    """
    full = f"{module}.{name}"
    if full in _EXACT:
        return True
    if module.startswith(_NEVER) or ".tests" in module:
        return False
    if isinstance(found, np.ufunc):
        return module.split(".")[0] in ("numpy", "scipy")
    if isinstance(found, type):
        if module.split(".")[0] == "numpy" and issubclass(
            found, np.generic | np.ndarray | np.dtype
        ):
            return True
        return f"{module}.".startswith(_CLASSES_OF)
    if name.startswith("__pyx_unpickle_"):  # what Cython makes for a class of its own
        return module.split(".")[0] in ("numpy", "pandas", "scipy", "sklearn")
    # Score functions, kernels, identity functions and the constructors of trees.
    return module.startswith("sklearn.") and _is_function(found)


def _is_function(found: Any) -> bool:
    """A function of scikit-learn itself, not one that it has imported."""
    compiled = type(found).__name__ == "cython_function_or_method"
    if not compiled and not isinstance(found, FunctionType | BuiltinFunctionType):
        return False
    return str(getattr(found, "__module__", "")).startswith("sklearn.")
