"""Plain, and never run on an upload: tables to fit, and models as people make them.

Raw material of ``make_skops_types``; scikit-learn is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def tables() -> Iterator[tuple[Any, Any]]:
    """Features and target of every kind that some estimator wants, the commonest first."""
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


def families() -> Iterator[Any]:
    """What people choose and scikit-learn's own checks do not."""
    yield from _pipelines()
    yield from _functions_and_scores()
    yield from _kernels_and_metrics()
    yield from _losses()


def _pipelines() -> Iterator[Any]:
    import numpy as np
    from sklearn import compose, ensemble, impute, linear_model, pipeline, preprocessing

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


def _functions_and_scores() -> Iterator[Any]:
    import numpy as np
    from sklearn import (
        compose,
        feature_extraction,
        feature_selection,
        linear_model,
        model_selection,
        pipeline,
        preprocessing,
    )

    text = feature_extraction.text
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


def parts() -> Iterator[Any]:
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
