"""Plain, and never run on an upload: makes ``pickle_globals.json`` from models that it fits itself.

    python -m registry.scan.make_pickle_globals

It fits the estimators of scikit-learn in the variants of scikit-learn's own checks, and families
of ordinary choices, pickles each in every protocol and by joblib, reads that again and records
which global is used for what. Names that reach further are left out and printed. The result is
reviewed as code is: by reading its difference.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import sys
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import numpy_pickle

from registry.scan.make_skops_types import fitted_models
from registry.scan.pickle_calls import BIT_GENERATORS, CALLS
from registry.scan.pickle_families import distributions, functions, more_models
from registry.scan.pickle_list import spelled_today
from registry.scan.pickle_tables import ARROW_STRINGS, INDEXES, OUR_CALLS, RANGES, STRINGS

TARGET = Path(__file__).with_name("pickle_globals.json")
LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib", "pandas")
PLAIN_PICKLE_PROTOCOLS = (2, 3, 4, 5)
# Never wanted, whatever the fits record: they reach other things by name or run text as code
# (the distributions of scipy.stats when they are restored), read files, or start processes.
NEVER = re.compile(
    r"operator\.|functools\.(?!partial$)|scipy\.stats\.|joblib\.(?!numpy_pickle\.NumpyArrayWrapper$)"
    r"|sklearn\.(conftest|datasets|externals|utils\._testing|utils\.parallel)\b|.*\.tests?\."
    r"|builtins\.(getattr|setattr|delattr|eval|exec|compile|open|type|__import__)$"
    r"|.*_ufunc_reconstruct$|numpy\.(f2py|testing|ctypeslib|lib\._npyio|memmap)"
)
# Written by other releases of the same libraries, or below a protocol: reviewed by hand.
ALWAYS = {
    **dict.fromkeys(CALLS, "call"),
    "joblib.numpy_pickle.NumpyArrayWrapper": "call",
    "numpy.ma.MaskedArray": "argument",
    "numpy.ndarray": "argument",
    "numpy.random.bit_generator.SeedSequence": "argument",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": "call",
    **{f"{home}.{name}": "argument" for name, home in BIT_GENERATORS.items()},
    **{f"builtins.{name}": "value" for name in ("bool", "float", "int", "list", "object", "str")},
    "pandas.NA": "value",
    "numpy.vectorize": "stand-in",
    **dict.fromkeys((*OUR_CALLS, *INDEXES, *RANGES, ARROW_STRINGS, STRINGS), "ours"),
}


class Recorder(numpy_pickle.NumpyUnpickler):  # type: ignore[misc]  # joblib is untyped
    """Opens what this script has pickled itself, and records the use of every global."""

    dispatch = numpy_pickle.NumpyUnpickler.dispatch.copy()

    def __init__(self, content: bytes, kinds: dict[str, set[str]]) -> None:
        super().__init__("", io.BytesIO(content), ensure_native_byte_order=True)
        self.kinds = kinds
        self.names: dict[int, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The global, with its name kept for what comes after."""
        found = super().find_class(module, name)
        full = ".".join(spelled_today(module, name, self.proto))
        self.names[id(found)] = full
        self.kinds.setdefault(full, set())
        return found

    def load_reduce(self) -> None:
        """Records a call."""
        made, args = self.stack[-2], self.stack[-1]
        numbers = all(type(value) in (int, float, bool) for value in args)
        name = self.names[id(made)]
        is_special = name in CALLS or name.rpartition(".")[2].startswith("__pyx_unpickle_")
        self.kinds[name].add("call" if is_special else "numbers" if numbers else "unknown")
        for value in args:
            if id(value) in self.names and is_special and isinstance(value, type):
                self.kinds[self.names[id(value)]].add("argument")
        super().load_reduce()

    def load_newobj(self) -> None:
        """Records an object that is made by its class alone, or a named tuple."""
        from sklearn.base import BaseEstimator

        made, args = self.stack[-2], self.stack[-1]
        kind = "estimator" if issubclass(made, BaseEstimator) else "object"
        kind = "mapping" if issubclass(made, dict) else kind
        name = self.names[id(made)]
        if name not in CALLS and name != "joblib.numpy_pickle.NumpyArrayWrapper":
            is_record = issubclass(made, tuple) and hasattr(made, "_fields")
            self.kinds[name].add(("record" if is_record else "unknown") if args else kind)
        super().load_newobj()

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj


def recorded(models: Iterable[Any]) -> dict[str, set[str]]:
    """Full name to the kinds of use; empty for what is only held as a value."""
    kinds: dict[str, set[str]] = {}
    for at, model in enumerate(models):
        try:
            for content in _pickled(model, is_thorough=at % 8 == 0):
                Recorder(content, kinds).load()
        except Exception as fault:  # what cannot be pickled is no file of anybody's
            print(f"not saved: {type(model).__name__}: {fault!r:.120}", file=sys.stderr)  # noqa: T201
    return kinds


def _pickled(model: Any, *, is_thorough: bool) -> Iterable[bytes]:
    """By joblib and pickle; of every eighth model in all protocols, which differ in few names."""
    for protocol in PLAIN_PICKLE_PROTOCOLS if is_thorough else (4,):
        yield pickle.dumps(model, protocol=protocol)
        out = io.BytesIO()
        numpy_pickle.dump(model, out, protocol=protocol)
        yield out.getvalue()


def listed(kinds: dict[str, set[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """What goes on the list, and what is left out with the reason."""
    stand_ins = set(distributions())
    chosen, left_out = ALWAYS | dict.fromkeys(stand_ins, "stand-in"), {}
    for full, uses in sorted(kinds.items()):
        if full in chosen:
            continue
        if NEVER.match(full):
            left_out[full] = "never wanted"
        elif "unknown" in uses or len(uses) > 1:
            left_out[full] = f"used as {sorted(uses)}, for which there is no pattern"
        else:
            chosen[full] = next(iter(uses), "value")
    return dict(sorted(chosen.items())), left_out


def _named_functions() -> dict[str, set[str]]:
    """Functions that people put into steps, whether or not a fit here has used them."""
    kinds: dict[str, set[str]] = {}
    for function in functions():
        Recorder(pickle.dumps(function, 4), kinds).load()
    return kinds


def main() -> None:
    """Fit, pickle, record, and write the list beside this file."""
    from itertools import chain

    np.seterr(all="ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds = recorded(chain(fitted_models(), more_models()))
        kinds |= {name: uses for name, uses in _named_functions().items() if name not in kinds}
    chosen, left_out = listed(kinds)
    for full, reason in left_out.items():
        print(f"left out: {full}: {reason}", file=sys.stderr)  # noqa: T201
    made_with = {library: version(library) for library in LIBRARIES}
    TARGET.write_text(json.dumps({"made_with": made_with, "globals": chosen}, indent=1) + "\n")


if __name__ == "__main__":
    main()
