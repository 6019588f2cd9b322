"""Plain, and never run on an upload: makes ``skops_types.json`` from models that it fits itself.

    python -m registry.scan.make_skops_types

It fits the estimators of scikit-learn in the variants of scikit-learn's own checks, and families
of ordinary choices, saves each with skops and records which loader names which type. Added to that
is what skops trusts by default. The result is reviewed as code is: by reading its difference.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from registry.scan.skops_families import families, parts, tables

TARGET = Path(__file__).with_name("skops_types.json")
LIBRARIES = ("skops", "scikit-learn", "numpy", "scipy")
# Never wanted, whatever the fits record: they reach other things by name, and the distributions
# of scipy.stats run texts of their state as code when they are restored.
NEVER = ("operator.", "functools.", "scipy.stats.", "joblib.")
# A partial is named together with the function that it holds. This one is how histogram gradient
# boosting prepares the columns that are no categories; it checks an array and changes nothing.
WANTED = frozenset({"functools.partial(sklearn.utils.validation.check_array)"})


def fitted_models() -> Iterator[Any]:
    """Fitted objects; those that cannot be fitted here are left out."""
    # What scikit-learn calls experimental is listed once it was enabled.
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
    from sklearn.utils import all_estimators
    from sklearn.utils._test_common.instance_generator import _construct_instances

    for _, kind in all_estimators():
        try:
            instances = list(_construct_instances(kind))
        except Exception:  # an estimator whose instances the checks do not know how to make
            instances = []
        for instance in instances:
            yield from _fitted(instance)
    for instance in families():
        yield from _fitted(instance)
    yield from _with_categories()
    yield from parts()


def _with_categories() -> Iterator[Any]:
    """What takes the categories of pandas, by the type of the column."""
    import pandas as pd
    from sklearn import ensemble

    frame = pd.DataFrame({"a": range(30), "s": pd.Categorical(["x", "y", "z"] * 10)})
    for kind in (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor):
        yield kind(max_iter=3, categorical_features="from_dtype").fit(frame, [0, 1, 2] * 10)


def _fitted(instance: Any) -> Iterator[Any]:
    for features, target in tables():
        try:
            yield instance.fit(features, target)
        except Exception:  # noqa: S112 - this table does not suit it; another one may
            continue
        return


def recorded(models: Iterator[Any]) -> dict[str, set[str]]:
    """Which loader names which type, over all models that skops saves."""
    import skops.io

    nodes: dict[str, set[str]] = defaultdict(set)
    for model in models:
        try:
            saved = skops.io.dumps(model)
        except Exception as fault:  # skops says itself that it cannot save it
            print(f"not saved: {type(model).__name__}: {fault}", file=sys.stderr)  # noqa: T201
            continue
        with zipfile.ZipFile(io.BytesIO(saved)) as archive:
            _record(json.loads(archive.read("schema.json")), nodes)
    return nodes


def _record(value: Any, nodes: dict[str, set[str]]) -> None:
    if isinstance(value, list):
        for part in value:
            _record(part, nodes)
    if not isinstance(value, dict):
        return
    if "__loader__" in value:
        name = f"{value['__module__']}.{value['__class__']}"
        if value["__loader__"] == "MethodNode":
            name += f".{value['content']['func']}"
        elif value["__loader__"] == "PartialNode":
            held = value["content"]["func"]
            name += f"({held['__module__']}.{held['__class__']})"
        nodes[value["__loader__"]].add(name)
    for part in value.values():
        _record(part, nodes)


def _defaults(nodes: dict[str, set[str]]) -> None:
    """What skops trusts by itself, by the loader that may name it."""
    from skops.io import _trusted_types as known

    nodes["ObjectNode"] |= {*known.SKLEARN_ESTIMATOR_TYPE_NAMES, *known.SKLEARN_INTERNAL_TYPE_NAMES}
    nodes["FunctionNode"] |= {*known.SCIPY_UFUNC_TYPE_NAMES, *known.NUMPY_UFUNC_TYPE_NAMES}
    plain_types = {*known.PRIMITIVE_TYPE_NAMES, *known.CONTAINER_TYPE_NAMES}
    nodes["TypeNode"] |= plain_types | {*known.NUMPY_DTYPE_TYPE_NAMES}
    nodes["NdArrayNode"] |= {"numpy.ndarray", *known.NUMPY_DTYPE_TYPE_NAMES}
    for loader, name in (
        ("DictNode", "dict"),
        ("ListNode", "list"),
        ("TupleNode", "tuple"),
        ("SetNode", "set"),
        ("SliceNode", "slice"),
        ("BytesNode", "bytes"),
        ("BytearrayNode", "bytearray"),
        ("JsonNode", "str"),
    ):
        nodes[loader].add(f"builtins.{name}")
    nodes["DictNode"].add("collections.OrderedDict")
    nodes["DefaultDictNode"].add("collections.defaultdict")
    nodes["MaskedArrayNode"].add("numpy.ma.MaskedArray")


def _untrusted_by_skops(nodes: dict[str, set[str]]) -> set[str]:
    """Of the recorded types, those that skops has to be told to trust."""
    from skops.io import _trusted_types as known

    by_default = {
        *known.SKLEARN_ESTIMATOR_TYPE_NAMES,
        *known.SKLEARN_INTERNAL_TYPE_NAMES,
        *known.SCIPY_UFUNC_TYPE_NAMES,
        *known.NUMPY_UFUNC_TYPE_NAMES,
        *known.PRIMITIVE_TYPE_NAMES,
        *known.CONTAINER_TYPE_NAMES,
        *known.NUMPY_DTYPE_TYPE_NAMES,
    }
    found = {name.partition("(")[0] for names in nodes.values() for name in names}
    return found - by_default


def main() -> None:
    """Fit, save, record, and write the list beside this file."""
    from skops.io._protocol import PROTOCOL

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = recorded(fitted_models())
        _defaults(nodes)
    for names in nodes.values():
        names -= {name for name in names if name.startswith(NEVER) and name not in WANTED}
    listed = {
        "made_with": {library: version(library) for library in LIBRARIES},
        "protocols": [PROTOCOL],
        "types": sorted(_untrusted_by_skops(nodes)),
        "nodes": {loader: sorted(names) for loader, names in sorted(nodes.items()) if names},
    }
    TARGET.write_text(json.dumps(listed, indent=1) + "\n")


if __name__ == "__main__":
    main()
