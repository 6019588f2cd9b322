"""Imports what models need once, in the parent, so that a fork has it within milliseconds.

A child later has no file system: whatever a model may need must have been imported here.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import warnings
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from registry.scan.edition import gate_version
from registry.scan.pickle_list import globals_listed
from serving.runtimes.base import (
    Answer,
    Block,
    answer_from_ipc,
    answer_to_ipc,
    batch_from_ipc,
    batch_to_ipc,
)
from serving.runtimes.isolation import compiling

# encodings: a text transformer names the one that it wants, and Python imports it then.
_PACKAGES = ("sklearn", "encodings")
_SKIPPED = (
    "encodings.mbcs",
    "encodings.oem",
    "sklearn._build_utils",
    "sklearn._min_dependencies",
    "sklearn.conftest",
    "sklearn.datasets",
    "sklearn.experimental",
    "sklearn.externals",
    "sklearn.utils._test",
    "sklearn.utils.estimator_checks",
)
_MODULES = (
    "sklearn.experimental.enable_halving_search_cv",
    "sklearn.experimental.enable_iterative_imputer",
    "scipy.interpolate",
    "scipy.sparse.linalg",
    "scipy.special",
    "scipy.stats",
    "pandas",
    "pyarrow.compute",
    "pyarrow.ipc",
    "joblib.numpy_pickle",
    "skops.io",
    "onnxruntime",
    "registry.scan",
    "serving.runtimes.golden",
)


def warm(runtimes: Iterable[str]) -> None:
    """Import the libraries and the runtime modules, and freeze what is there for the fork.

    A part that does not import is left out: its models then say so when they load.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = [*_MODULES, *runtimes]
        for package in _PACKAGES:
            names += _public_modules(package)
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        compiling.import_early()
        _use_once()
    gc.collect()
    gc.freeze()


def prepare_for_any() -> None:
    """What every child needs, whatever its model; also done by a host that is not warmed.

    The gate reads its lists. A batch goes to and fro, because pyarrow and numpy import and
    allocate on first use.
    """
    gate_version()
    globals_listed()
    columns = {
        "number": pa.array([1.0, None]),
        "word": pa.array(["a", None]),
        "is": pa.array([True, None]),
        "day": pa.array([0, None], pa.timestamp("us", "UTC")),
        "list": pa.array([[1.0], None]),
    }
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    batch = batch_from_ipc(batch_to_ipc(pa.RecordBatch.from_pydict(columns)))
    for column in batch.columns:
        column.to_pylist()
        column.to_numpy(zero_copy_only=False)
    answer = Answer(2, (Block("prediction", None, None, (pa.array(np.ones(2)),)),))
    answer_from_ipc(answer_to_ipc(answer))
    str(pa.ArrowInvalid("x"))


def _public_modules(package: str) -> list[str]:
    """The subpackages and modules of a package, tests and vendored code left out."""
    root = importlib.import_module(package)
    found = pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None)
    return [m.name for m in found if ".tests" not in m.name and not m.name.startswith(_SKIPPED)]


def _use_once() -> None:
    """Run the paths that import or allocate on first use."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 2.0, 1.0]})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, [0, 1, 0, 1])
    model.predict_proba(frame)
    repr(frame)
    np.linalg.svd(np.eye(3))
    from sklearn.utils.parallel import _get_threadpool_controller

    _get_threadpool_controller()
