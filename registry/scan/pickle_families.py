"""Plain, and never run on an upload: fitted models as people save them with joblib and pickle.

Raw material of ``make_pickle_globals``, beyond what ``skops_families`` has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# Functions of numpy and scipy that take an array and give one, and touch nothing else.
_NUMPY = """
    abs absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh deg2rad
    degrees exp exp2 expm1 fabs float_power floor fmax fmin isfinite isnan log log10 log1p log2
    logical_not maximum minimum negative positive power rad2deg radians reciprocal rint sign sin
    sinh sqrt square tan tanh trunc
    argmax argmin asarray asfortranarray atleast_2d clip cumprod cumsum diff log1p max mean median
    min nan_to_num nanmax nanmean nanmedian nanmin nanstd ptp ravel round std sum var where
    float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool str_ object_
    number integer floating
"""
_SPECIAL = "boxcox1p cbrt erf exp10 exp2 expit expm1 gammaln log1p log_expit logit xlog1py"


def functions() -> Iterator[Any]:
    """What is held by name: ufuncs, functions on arrays, kernels, distances, scorers' functions."""
    import numpy as np
    import scipy.special
    from sklearn import metrics
    from sklearn.metrics import pairwise

    for name in _NUMPY.split():
        yield getattr(np, name)
    for name in _SPECIAL.split():
        yield getattr(scipy.special, name)
    tables: tuple[dict[str, Callable[..., Any]], ...] = (
        pairwise.PAIRWISE_DISTANCE_FUNCTIONS,
        pairwise.PAIRWISE_KERNEL_FUNCTIONS,
    )
    for table in tables:
        yield from table.values()
    for name in metrics.__all__:
        if name.endswith(("_score", "_error", "_loss", "_deviance")):
            yield getattr(metrics, name)


def more_models() -> Iterator[Any]:
    """Fitted models, by theme; one that this library's version cannot fit is an error."""
    yield from _random_states()


def _random_states() -> Iterator[Any]:
    import numpy as np
    from sklearn import cluster

    rows = np.random.default_rng(1).normal(size=(40, 3))
    for bits in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        state = np.random.RandomState(getattr(np.random, bits)(3))
        yield cluster.KMeans(2, n_init=1, random_state=state).fit(rows)
