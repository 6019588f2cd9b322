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
    from sklearn.utils import all_estimators
    from sklearn.utils._test_common.instance_generator import _construct_instances

    for _, kind in all_estimators():
        try:
            instances = list(_construct_instances(kind))
        except Exception:  # an estimator whose instances the checks do not know how to make
            instances = []
        for instance in instances:
            yield from _fitted(instance)
    for instance in _families():
        yield from _fitted(instance)
    yield from _with_categories()
    yield from _parts()


def _with_categories() -> Iterator[Any]:
    """What takes the categories of pandas, by the type of the column."""
    import pandas as pd
    from sklearn import ensemble

    frame = pd.DataFrame({"a": range(30), "s": pd.Categorical(["x", "y", "z"] * 10)})
    for kind in (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor):
        yield kind(max_iter=3, categorical_features="from_dtype").fit(frame, [0, 1, 2] * 10)


def _fitted(instance: Any) -> Iterator[Any]:
    for features, target in _tables():
        try:
            yield instance.fit(features, target)
        except Exception:  # noqa: S112 - this table does not suit it; another one may
            continue
        return


def _tables() -> Iterator[tuple[Any, Any]]:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    numbers = random.normal(size=(60, 4))
    counts = random.integers(0, 4, size=(60, 4))
    labels = random.integers(0, 3, size=60)
    frame = pd.DataFrame(numbers, columns=list("abcd"))
    frame["s"] = random.choice(["x", "y", "z"], 60)
    yield frame, np.array(["no", "yes"])[labels % 2]
    yield numbers, labels
    yield numbers, labels % 2
    yield counts.astype(float), labels
    yield np.abs(numbers) + 0.1, np.abs(numbers[:, 0]) + 0.1
    yield numbers, numbers[:, :2]
    yield numbers, np.stack([labels % 2, labels // 2], axis=1)
    yield numbers[:, 0], np.abs(numbers[:, 1])
    yield [f"w{a} w{b} w{c}" for a, b, c in counts[:, :3]], labels
    yield [{"a": float(a), "b": str(b)} for a, b in counts[:, :2]], labels
    yield [[f"w{a}", f"w{b}"] for a, b in counts[:, :2]], labels
    yield [[int(a)] for a in labels], labels


def _families() -> Iterator[Any]:
    """What people choose and scikit-learn's own checks do not."""
    yield from _pipelines()
    yield from _kernels_and_metrics()
    yield from _losses()


def _pipelines() -> Iterator[Any]:
    import numpy as np
    from sklearn import (
        compose,
        ensemble,
        feature_extraction,
        feature_selection,
        impute,
        linear_model,
        model_selection,
        pipeline,
        preprocessing,
    )

    text = feature_extraction.text
    encoders = (
        preprocessing.OneHotEncoder(handle_unknown="ignore"),
        preprocessing.OneHotEncoder(dtype=np.float32, min_frequency=2),
        preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        preprocessing.TargetEncoder(),
    )
    for encoder in encoders:
        numeric = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
        columns = compose.make_column_transformer(
            (numeric, compose.make_column_selector(dtype_include=np.number)),
            (encoder, ["s"]),
            remainder="passthrough",
        )
        for final in (linear_model.LogisticRegression(), ensemble.RandomForestClassifier(5)):
            yield pipeline.make_pipeline(columns, final)
    yield pipeline.make_pipeline(
        compose.ColumnTransformer(
            [("n", "passthrough", slice(0, 2)), ("d", "drop", [2]), ("k", "passthrough", ["d"])]
        ),
        ensemble.HistGradientBoostingClassifier(max_iter=3),
    )
    for function in (np.log1p, np.exp, np.sqrt, np.abs, np.tanh):
        yield pipeline.make_pipeline(
            preprocessing.FunctionTransformer(function), linear_model.Ridge()
        )
    for score in [
        "chi2",
        "f_classif",
        "f_regression",
        "mutual_info_classif",
        "mutual_info_regression",
        "r_regression",
    ]:
        yield feature_selection.SelectKBest(getattr(feature_selection, score), k=2)
    for vectorizer in (text.TfidfVectorizer(), text.CountVectorizer(ngram_range=(1, 2))):
        yield pipeline.make_pipeline(vectorizer, linear_model.LogisticRegression())
    yield pipeline.make_pipeline(
        text.HashingVectorizer(n_features=16), linear_model.SGDClassifier()
    )
    grid = {"C": [0.1, 1.0]}
    for scoring in (None, "accuracy", "roc_auc_ovr"):
        yield model_selection.GridSearchCV(
            linear_model.LogisticRegression(), grid, cv=2, scoring=scoring
        )
    yield compose.TransformedTargetRegressor(
        linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1
    )


def _kernels_and_metrics() -> Iterator[Any]:
    from sklearn import cluster, gaussian_process, kernel_approximation, neighbors, svm

    kernels = gaussian_process.kernels
    for kernel in (
        kernels.RBF() + kernels.WhiteKernel(),
        kernels.ConstantKernel() * kernels.Matern(),
        kernels.RationalQuadratic() + kernels.DotProduct(),
        kernels.ExpSineSquared(),
        kernels.Exponentiation(kernels.RBF(), 2),
        kernels.PairwiseKernel(),
    ):
        yield gaussian_process.GaussianProcessRegressor(kernel)
        yield gaussian_process.GaussianProcessClassifier(kernel)
    for metric in ("euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "haversine"):
        for algorithm in ("auto", "ball_tree", "kd_tree", "brute"):
            yield neighbors.KNeighborsClassifier(3, metric=metric, algorithm=algorithm)
            yield neighbors.LocalOutlierFactor(5, metric=metric, algorithm=algorithm, novelty=True)
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield svm.SVC(kernel=kernel, probability=False)
        yield svm.OneClassSVM(kernel=kernel)
        yield kernel_approximation.Nystroem(kernel=kernel, n_components=5)
    for kernel in ("gaussian", "tophat", "linear"):
        yield neighbors.KernelDensity(kernel=kernel)
    yield cluster.MiniBatchKMeans(3, n_init=1)


def _losses() -> Iterator[Any]:
    from sklearn import ensemble, linear_model, neural_network, preprocessing

    sgd = "hinge log_loss modified_huber squared_hinge perceptron squared_error huber "
    for loss in (sgd + "epsilon_insensitive squared_epsilon_insensitive").split():
        yield linear_model.SGDClassifier(loss=loss)
    for loss in ["squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"]:
        yield linear_model.SGDRegressor(loss=loss)
    for loss in ["squared_error", "absolute_error", "gamma", "poisson", "quantile"]:
        yield ensemble.HistGradientBoostingRegressor(loss=loss, quantile=0.5, max_iter=3)
    for loss in ["squared_error", "absolute_error", "huber", "quantile"]:
        yield ensemble.GradientBoostingRegressor(loss=loss, n_estimators=3)
    for loss in ("log_loss", "exponential"):
        yield ensemble.GradientBoostingClassifier(loss=loss, n_estimators=3)
    for power in (0, 1, 1.5, 2, 3):
        yield linear_model.TweedieRegressor(power=power)
    for solver in ("lbfgs", "sgd", "adam"):
        yield neural_network.MLPClassifier((4,), solver=solver, max_iter=5)
        yield neural_network.MLPRegressor((4,), solver=solver, max_iter=5)
    for method in ("yeo-johnson", "box-cox"):
        yield preprocessing.PowerTransformer(method)


def _parts() -> Iterator[Any]:
    """What models hold as parameters and attributes, saved by itself."""
    import scipy.sparse
    from sklearn import metrics, model_selection

    for name in metrics.get_scorer_names():
        yield metrics.get_scorer(name)
    for name in [
        "GroupKFold",
        "GroupShuffleSplit",
        "KFold",
        "LeaveOneGroupOut",
        "LeaveOneOut",
        "RepeatedKFold",
        "RepeatedStratifiedKFold",
        "ShuffleSplit",
        "StratifiedGroupKFold",
        "StratifiedKFold",
        "StratifiedShuffleSplit",
        "TimeSeriesSplit",
    ]:
        yield getattr(model_selection, name)()
    for form in ("csr", "csc", "coo", "bsr", "dia"):
        yield getattr(scipy.sparse, f"{form}_matrix")([[0.0, 1.0]])
        yield getattr(scipy.sparse, f"{form}_array")([[0.0, 1.0]])


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
