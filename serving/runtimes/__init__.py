"""The table of runtimes: what opens which formats. Each is imported on first use, in the host.

A runtime is a module with ``load(artifact: BinaryIO, format: str) -> LoadedModel``
(the contract stands in ``base.py``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from serving.runtimes.base import Runtime

RUNTIMES: dict[str, str] = {
    "sklearn": "serving.runtimes.sklearn",
    "onnx": "serving.runtimes.onnx",
    "xgboost": "serving.runtimes.xgboost",
    "lightgbm": "serving.runtimes.lightgbm",
    "catboost": "serving.runtimes.catboost",
    "mlflow": "serving.runtimes.mlflow",
    # Not of uploads: where the graph of a version is not to be run in a worker.
    "compiled": "serving.runtimes.compiled.runtime",
}


def load_runtime(key: str, extra: Mapping[str, str] | None = None) -> Runtime:
    """The runtime module of that key. ``extra`` adds further keys to the table.

    Raises KeyError for a key that is in neither.
    """
    path = (extra or {}).get(key) or RUNTIMES[key]
    return cast(Runtime, importlib.import_module(path))
