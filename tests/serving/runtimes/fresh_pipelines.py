"""Forty pipelines as people save them; each draws its data and settings from a ``Table``.

On purpose not those that the lists of types and globals were made from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn import svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_transformer,
)
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    VarianceThreshold,
    mutual_info_regression,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import (
    HuberRegressor,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    SGDClassifier,
    TheilSenRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.serving.runtimes.fresh_columns import ON_COLUMNS, TEXTS
from tests.serving.runtimes.fresh_tables import Fresh, Table

assert enable_halving_search_cv


def forest(t: Table) -> Fresh:
    weights = t.pick(None, "balanced_subsample")
    last = RandomForestClassifier(9, oob_score=True, class_weight=weights, random_state=5)
    return t.on_names(last, t.names)


def several_extra_trees(t: Table) -> Fresh:
    return t.on_matrix(ExtraTreesRegressor(6, bootstrap=t.pick(True, False)), t.both)


def gradient_boosting(t: Table) -> Fresh:
    last = GradientBoostingClassifier(n_estimators=6, subsample=0.8, init=t.pick(None, "zero"))
    return t.on_names(last, t.three)


def adaptive_boosting(t: Table) -> Fresh:
    return t.on_matrix(
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=5), t.names
    )


def bagged_neighbours(t: Table) -> Fresh:
    last = BaggingRegressor(KNeighborsRegressor(3), n_estimators=4, max_features=0.6)
    return t.on_names(make_pipeline(VarianceThreshold(), last), t.amount)


def stacked(t: Table) -> Fresh:
    members = [
        ("lda", make_pipeline(Normalizer(), LinearDiscriminantAnalysis())),
        ("tree", DecisionTreeClassifier(min_samples_leaf=4)),
    ]
    last = StackingClassifier(members, LogisticRegression(), cv=3, passthrough=t.pick(True, False))
    return t.on_names(last, t.names)


def voted(t: Table) -> Fresh:
    members = [
        ("net", MLPRegressor(hidden_layer_sizes=(5,), max_iter=15)),
        ("line", LinearRegression()),
    ]
    return t.on_names(VotingRegressor(members, weights=t.pick(None, [1, 2])), t.amount)


def calibrated_forest(t: Table) -> Fresh:
    last = CalibratedClassifierCV(RandomForestClassifier(5), method="isotonic", cv=3)
    return t.on_matrix(last, t.binary)


def grid_search(t: Table) -> Fresh:
    steps = Pipeline([("s", StandardScaler()), ("p", PCA()), ("m", LogisticRegression())])
    grid = {"p__n_components": [2, 3], "m__C": np.logspace(-1, 1, 3), "s": [None, StandardScaler()]}
    search = GridSearchCV(steps, grid, cv=StratifiedKFold(3), scoring=t.pick(None, "roc_auc"))
    return t.on_names(search, t.binary)


def randomised_search(t: Table) -> Fresh:
    drawn = {"alpha": stats.loguniform(1e-3, 10), "l1_ratio": stats.uniform(0.1, 0.8)}
    drawn["power_t"] = t.pick(stats.norm(0.3, 0.01), stats.randint(0, 1))
    search = RandomizedSearchCV(
        SGDClassifier(loss="log_loss", penalty="elasticnet"), drawn, n_iter=3, cv=3, random_state=6
    )
    return t.on_names(make_pipeline(StandardScaler(), search), t.binary)


def halving_search(t: Table) -> Fresh:
    grid = {"max_depth": [2, None], "criterion": ["gini", "entropy"]}
    search = HalvingGridSearchCV(DecisionTreeClassifier(random_state=1), grid, cv=3, random_state=0)
    return t.on_matrix(search, t.three)


def tuned_threshold(t: Table) -> Fresh:
    last = TunedThresholdClassifierCV(LogisticRegression(), scoring="f1", cv=3)
    return t.on_names(last, t.binary)


def target_by_its_logarithm(t: Table) -> Fresh:
    way = t.pick(
        {"func": np.log1p, "inverse_func": np.expm1},
        {"transformer": QuantileTransformer(n_quantiles=15, output_distribution="normal")},
    )
    chosen = SelectKBest(mutual_info_regression, k=2)
    last = TransformedTargetRegressor(make_pipeline(chosen, Ridge()), **way)
    return t.on_names(last, t.positive)


def several_outputs(t: Table) -> Fresh:
    return t.on_names(MultiOutputRegressor(LassoLarsIC(criterion=t.pick("aic", "bic"))), t.both)


def chain(t: Table) -> Fresh:
    return t.on_names(ClassifierChain(LogisticRegression(), order=[1, 0], cv=3), t.flags)


def gaussian_process(t: Table) -> Fresh:
    kernel = ConstantKernel(1.0) * t.pick(RBF(2.0), Matern(1.5)) + WhiteKernel(0.5)
    if t.pick(True, False):
        return t.on_names(GaussianProcessRegressor(kernel, normalize_y=True), t.amount)
    return t.on_matrix(GaussianProcessClassifier(RBF(1.0)), t.names)


def robust_line(t: Table) -> Fresh:
    last = t.pick(
        RANSACRegressor(Ridge(), min_samples=20, random_state=3),
        TheilSenRegressor(max_subpopulation=200, random_state=1),
        HuberRegressor(max_iter=1000),
        QuantileRegressor(quantile=0.7, alpha=0.01, solver="highs"),
    )
    return t.on_names(make_pipeline(StandardScaler(), last), t.amount)


def selected_counts(t: Table) -> Fresh:
    picked = t.pick(
        SelectFromModel(DecisionTreeRegressor(max_depth=3, random_state=1)),
        RFE(LinearRegression(), n_features_to_select=2),
    )
    return t.on_names(make_pipeline(StandardScaler(), picked, PoissonRegressor()), t.three)


def outliers(t: Table) -> Fresh:
    last = t.pick(
        IsolationForest(n_estimators=9, contamination=t.pick("auto", 0.1), random_state=1),
        svm.OneClassSVM(nu=0.2),
        LocalOutlierFactor(7, novelty=True),
    )
    return t.on_names(make_pipeline(RobustScaler(), last))


def groups(t: Table) -> Fresh:
    last = t.pick(KMeans(4, n_init=2), GaussianMixture(3, covariance_type=t.pick("full", "diag")))
    return t.on_names(make_pipeline(StandardScaler(), last))


def frames_all_the_way(t: Table) -> Fresh:
    numeric = make_pipeline(SimpleImputer(), FunctionTransformer(np.sqrt))
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore", drop=None)
    chosen = ColumnTransformer(
        [("n", numeric, ["price [€]", "visits"]), ("t", encoder, TEXTS)],
        verbose_feature_names_out=t.pick(True, False),
    )
    last = DecisionTreeClassifier(max_depth=4, ccp_alpha=0.001)
    return t.on_mixed(make_pipeline(chosen, last).set_output(transform="pandas"), t.names)


def told_what_is_missing(t: Table) -> Fresh:
    missing = make_union(SimpleImputer(strategy="constant", fill_value=-1.0), MissingIndicator())
    chosen = make_column_transformer((missing, ["price [€]"]), ("passthrough", ["height"]))
    return t.on_mixed(make_pipeline(chosen, DecisionTreeRegressor(max_depth=3)), t.amount)


OTHERS: dict[str, Callable[[Table], Fresh]] = {
    make.__name__: make
    for make in (
        forest,
        several_extra_trees,
        gradient_boosting,
        adaptive_boosting,
        bagged_neighbours,
        stacked,
        voted,
        calibrated_forest,
        grid_search,
        randomised_search,
        halving_search,
        tuned_threshold,
        target_by_its_logarithm,
        several_outputs,
        chain,
        gaussian_process,
        robust_line,
        selected_counts,
        outliers,
        groups,
        frames_all_the_way,
        told_what_is_missing,
    )
}
PIPELINES = {**ON_COLUMNS, **OTHERS}
