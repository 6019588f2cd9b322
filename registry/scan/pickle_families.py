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


def distributions() -> Iterator[str]:
    """The classes of scipy.stats that a search draws parameters from, frozen or not."""
    from scipy import stats
    from scipy.stats import _distn_infrastructure as home

    found = [value for value in vars(stats).values() if isinstance(value, home.rv_generic)]
    kinds = {type(value) for value in found}
    kinds |= {home.rv_continuous_frozen, home.rv_discrete_frozen, type(stats.levy_stable(1.5, 0))}
    yield from sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)


def more_models() -> Iterator[Any]:
    """Fitted models, by theme; one that this library's version cannot fit is an error."""
    yield from _random_states()
    yield from _distances()
    yield from _rare_estimators()
    yield from _searches()
    yield from _meta_estimators()
    yield from _transformers()


def _rows() -> tuple[Any, Any]:
    import numpy as np

    random = np.random.default_rng(1)
    return np.abs(random.normal(size=(60, 3))), random.integers(0, 3, 60)


def _random_states() -> Iterator[Any]:
    import numpy as np
    from sklearn import cluster, mixture

    rows, _ = _rows()
    for bits in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        state = np.random.RandomState(getattr(np.random, bits)(3))
        yield cluster.KMeans(2, n_init=1, random_state=state).fit(rows)
    yield mixture.GaussianMixture(2, random_state=np.random.RandomState(5)).fit(rows)


def _distances() -> Iterator[Any]:
    import numpy as np
    from sklearn import neighbors

    rows, labels = _rows()
    flags = rows > np.median(rows)
    metrics = ("braycurtis", "canberra", "hamming", "seuclidean", "mahalanobis", "minkowski")
    for metric in metrics:
        params = {"V": rows.var(0)} if metric in ("seuclidean", "mahalanobis") else None
        if metric == "mahalanobis":
            params = {"V": np.cov(rows.T)}
        yield neighbors.KNeighborsClassifier(
            3, metric=metric, algorithm="ball_tree", metric_params=params
        ).fit(rows, labels)
    for metric in ("jaccard", "dice", "rogerstanimoto", "russellrao", "sokalsneath"):
        yield neighbors.NearestNeighbors(metric=metric, algorithm="ball_tree").fit(flags)
    yield neighbors.NearestNeighbors(metric="haversine", algorithm="ball_tree").fit(rows[:, :2])
    yield neighbors.KNeighborsRegressor(3, p=3, weights="distance").fit(rows, labels)
    yield neighbors.KNeighborsRegressor(3).fit(rows.astype(np.float32), labels)


def _rare_estimators() -> Iterator[Any]:
    import numpy as np
    from scipy import sparse
    from sklearn import decomposition, impute, linear_model, multiclass, preprocessing
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401

    rows, labels = _rows()
    gaps = np.where(rows > 1.5, np.nan, rows)
    yield preprocessing.MultiLabelBinarizer().fit([["a", "b"], ["b"], ["c"]])
    yield decomposition.SparseCoder(rows[:3]).fit(rows)
    yield impute.IterativeImputer(max_iter=2).fit(gaps)
    yield impute.IterativeImputer(linear_model.LinearRegression(), max_iter=2).fit(gaps)
    yield multiclass.OutputCodeClassifier(linear_model.Perceptron(), code_size=0.6).fit(
        rows, labels
    )
    constant = np.stack([labels % 2, np.ones(60)], axis=1)
    yield multiclass.OneVsRestClassifier(linear_model.LogisticRegression()).fit(rows, constant)
    yield linear_model.SGDClassifier(early_stopping=True).fit(sparse.csr_matrix(rows), labels)


def _searches() -> Iterator[Any]:
    import numpy as np
    from sklearn import linear_model, model_selection
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    rows, labels = _rows()
    grid = {"alpha": [0.1, 1.0], "fit_intercept": [True, False]}
    splits = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    ways = (
        splits,
        model_selection.LeavePOut(1),
        model_selection.LeavePGroupsOut(1),
        model_selection.PredefinedSplit(labels),
        model_selection.ShuffleSplit(2, random_state=np.random.RandomState(0)),
    )
    for cv in ways:
        yield model_selection.GridSearchCV(linear_model.Ridge(), grid, cv=cv).fit(
            rows, labels, groups=labels
        )
    yield model_selection.RandomizedSearchCV(
        linear_model.Ridge(), grid, n_iter=2, cv=2, scoring=["r2", "neg_max_error"], refit="r2"
    ).fit(rows, labels)
    yield model_selection.HalvingGridSearchCV(linear_model.Ridge(), grid, cv=2).fit(rows, labels)
    yield linear_model.RidgeCV().fit(rows, labels)
    yield model_selection._split._CVIterableWrapper(splits)


def _meta_estimators() -> Iterator[Any]:
    from sklearn import calibration, ensemble, frozen, linear_model, model_selection, svm

    rows, labels = _rows()
    for method in ("sigmoid", "isotonic", "temperature"):
        for inner in (linear_model.LogisticRegression(), svm.LinearSVC()):
            yield calibration.CalibratedClassifierCV(inner, method=method, cv=2).fit(rows, labels)
    inner = linear_model.LogisticRegression().fit(rows, labels)
    yield calibration.CalibratedClassifierCV(frozen.FrozenEstimator(inner)).fit(rows, labels)
    named = [("a", inner), ("b", ensemble.RandomForestClassifier(3))]
    yield ensemble.VotingClassifier(named, voting="soft").fit(rows, labels)
    yield ensemble.StackingClassifier(named, passthrough=True).fit(rows, labels)
    yield model_selection.TunedThresholdClassifierCV(inner).fit(rows, labels % 2)
    yield model_selection.FixedThresholdClassifier(inner, threshold=0.4).fit(rows, labels % 2)
    yield ensemble.BaggingClassifier(inner, 3, max_features=2).fit(rows, labels)


def _transformers() -> Iterator[Any]:
    import numpy as np
    import pandas as pd
    from sklearn import compose, gaussian_process, linear_model, pipeline, preprocessing

    rows, labels = _rows()
    frame = pd.DataFrame(rows, columns=list("abc"))
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(labels, unit="D")
    yield preprocessing.OneHotEncoder().fit(frame[["when"]])
    yield preprocessing.OrdinalEncoder(dtype=np.int32).fit(labels[:, None].astype("U3"))
    yield preprocessing.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf").fit(rows)
    for chosen in (["a", "b"], np.array([True, False, True, False]), slice("a", "b"), [0, 2]):
        columns = compose.ColumnTransformer(
            [("s", preprocessing.StandardScaler(), chosen)], remainder="drop"
        ).set_output(transform="pandas")
        yield pipeline.make_pipeline(columns, linear_model.Ridge()).fit(frame, labels)
    for function in (np.log1p, np.nan_to_num):
        yield preprocessing.FunctionTransformer(
            function, feature_names_out="one-to-one", validate=True
        ).fit(rows)
    kernels = gaussian_process.kernels
    compound = kernels.CompoundKernel([kernels.RBF(), kernels.Matern()])
    yield gaussian_process.GaussianProcessClassifier(kernels.RBF()).fit(rows, labels)
    yield compound
