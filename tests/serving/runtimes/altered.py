"""Fitted models with one array altered, as a file with nothing but trusted types can hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import svm
from sklearn.cluster import Birch, BisectingKMeans, FeatureAgglomeration, KMeans
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    LocalOutlierFactor,
    NearestNeighbors,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.tree import DecisionTreeRegressor

X = np.random.default_rng(5).normal(size=(90, 4))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
YB = X[:, 0] > 0
YR = X @ [1.0, -2.0, 0.5, 3.0]
CATEGORIES = np.array([["a", "x"], ["b", "y"], ["c", "y"]] * 10, dtype=object)
TEXTS = ["good film", "bad film", "very good", "awful"] * 5


@dataclass(frozen=True)
class Altered:
    """``alter`` changes the fitted model in place; ``kind`` and ``path`` are what is refused."""

    name: str
    make: Callable[[], Any]
    alter: Callable[[Any], None]
    kind: str
    path: str
    # Whether it comes as far as the check from a joblib file: what claims more nodes than it has
    # cannot be written, and other things are refused when they are read.
    is_saved: bool = True


def nodes_of(tree: Any, **changes: tuple[int, Any]) -> None:
    """Write ``field=(node, value)`` into the nodes of a Tree."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    for field, (at, value) in changes.items():
        nodes[field][at] = value
    tree.__setstate__(state | {"nodes": nodes, "values": state["values"].copy()})


def state_of(tree: Any, **changes: Any) -> None:
    state = tree.__getstate__()
    tree.__setstate__(state | {"nodes": state["nodes"].copy()} | changes)


def predictor_of(model: Any, **changes: tuple[int, Any]) -> None:
    for field, (at, value) in changes.items():
        model._predictors[0][0].nodes[field][at] = value


def point_tree(tree: Any, at: int, change: Callable[[Any], Any]) -> None:
    """Change entry ``at`` of the state of a KDTree or BallTree."""
    state = list(tree.__getstate__())
    copied = state[at].copy() if isinstance(state[at], np.ndarray) else state[at]
    state[at] = change(copied)
    tree.__setstate__(tuple(state))


def put(array: Any, at: Any, value: Any) -> Any:
    array[at] = value
    return array


def stump() -> Any:
    return DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, YR)


def forest() -> Any:
    return RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, Y)


def boosted() -> Any:
    return GradientBoostingClassifier(n_estimators=3).fit(X, Y)


def hist() -> Any:
    return HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5).fit(X, YB)


def hist_categories() -> Any:
    x = np.column_stack([np.arange(90) % 5, X[:, 0]])
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, categorical_features=[0])
    return model.fit(x, (x[:, 0] % 2).astype(int))


def isolation() -> Any:
    return IsolationForest(n_estimators=3, max_features=2, random_state=0).fit(X)


def bagged() -> Any:
    return BaggingRegressor(n_estimators=3, max_features=2, random_state=0).fit(X, YR)


def pipeline() -> Any:
    return make_pipeline(StandardScaler(), RandomForestClassifier(4, max_depth=2)).fit(X, Y)


def categorical_node(model: Any) -> int:
    return int(np.flatnonzero(model._predictors[0][0].nodes["is_categorical"])[0])


def trees() -> list[Altered]:
    return [
        Altered(
            "child out of range",
            stump,
            lambda m: nodes_of(m.tree_, left_child=(0, 10**9)),
            "tree",
            "tree_",
        ),
        Altered(
            "negative child",
            stump,
            lambda m: nodes_of(m.tree_, right_child=(0, -7)),
            "tree",
            "tree_",
        ),
        Altered(
            "child that leads back",
            stump,
            lambda m: nodes_of(m.tree_, left_child=(1, 0)),
            "tree",
            "tree_",
        ),
        Altered(
            "one node under two",
            stump,
            lambda m: nodes_of(m.tree_, left_child=(0, m.tree_.children_right[0])),
            "tree",
            "tree_",
        ),
        Altered(
            "half a leaf", stump, lambda m: nodes_of(m.tree_, left_child=(0, -1)), "tree", "tree_"
        ),
        Altered(
            "feature out of range",
            stump,
            lambda m: nodes_of(m.tree_, feature=(0, 1 << 40)),
            "tree",
            "tree_",
        ),
        Altered(
            "threshold that is NaN",
            stump,
            lambda m: nodes_of(m.tree_, threshold=(0, np.nan)),
            "not-finite",
            "tree_",
        ),
        Altered(
            "more nodes than there are",
            stump,
            lambda m: state_of(m.tree_, node_count=1 << 40),
            "tree",
            "tree_",
            is_saved=False,
        ),
        Altered("no node", stump, lambda m: state_of(m.tree_, node_count=0), "tree", "tree_"),
        Altered(
            "value that is infinite",
            stump,
            lambda m: state_of(m.tree_, values=m.tree_.value * np.inf),
            "not-finite",
            "tree_",
        ),
        Altered(
            "narrower input", stump, lambda m: setattr(m, "n_features_in_", 3), "tree", "tree_"
        ),
        Altered(
            "input of any width", stump, lambda m: delattr(m, "n_features_in_"), "tree", "tree_"
        ),
        Altered(
            "labels left out", forest, lambda m: setattr(m, "classes_", m.classes_[:2]), "", ""
        ),
        Altered(
            "tree of a narrower forest",
            pipeline,
            lambda m: setattr(m[1], "n_features_in_", 2),
            "tree",
            "steps[1][1].estimators_[0]",
        ),
        Altered(
            "child in the fourth tree of a step",
            pipeline,
            lambda m: nodes_of(m[1].estimators_[3].tree_, left_child=(0, 10**6)),
            "tree",
            "steps[1][1].estimators_[3].tree_",
        ),
        Altered(
            "boosting with fewer columns",
            boosted,
            lambda m: setattr(m, "estimators_", m.estimators_[:, :2]),
            "tree",
            "estimators_",
        ),
        Altered(
            "boosting with a child out of range",
            boosted,
            lambda m: nodes_of(m.estimators_[1, 2].tree_, right_child=(0, 10**8)),
            "tree",
            "estimators_[5].tree_",
        ),
        Altered(
            "boosting that starts from two classes",
            boosted,
            lambda m: setattr(m.init_, "classes_", m.init_.classes_[:2]),
            "tree",
            "init_",
        ),
        Altered(
            "column that a tree of isolation lacks",
            isolation,
            lambda m: setattr(m, "estimators_features_", [np.array([0, 1 << 40])] * 3),
            "columns",
            "estimators_features_[0]",
        ),
        Altered(
            "isolation on all columns",
            isolation,
            lambda m: setattr(m, "_max_features", 4),
            "columns",
            "_max_features",
        ),
        Altered(
            "column that a bag lacks",
            bagged,
            lambda m: setattr(m, "estimators_features_", [np.array([0, -9])] * 3),
            "columns",
            "estimators_features_[0]",
        ),
    ]


def hist_boosting() -> list[Altered]:
    kind, nodes = "hist-gradient", "_predictors[0][0].nodes"
    return [
        Altered("left child", hist, lambda m: predictor_of(m, left=(0, 1 << 30)), kind, nodes),
        Altered("cycle", hist, lambda m: predictor_of(m, right=(0, 0)), kind, nodes),
        Altered("feature", hist, lambda m: predictor_of(m, feature_idx=(0, -1 << 40)), kind, nodes),
        Altered(
            "NaN", hist, lambda m: predictor_of(m, num_threshold=(0, np.nan)), "not-finite", nodes
        ),
        Altered(
            "category where there is none",
            hist,
            lambda m: predictor_of(m, is_categorical=(0, 1)),
            kind,
            nodes,
        ),
        Altered(
            "bitset",
            hist_categories,
            lambda m: predictor_of(m, bitset_idx=(categorical_node(m), 1 << 30)),
            kind,
            nodes,
        ),
        Altered(
            "no nodes",
            hist,
            lambda m: setattr(m._predictors[0][0], "nodes", None),
            kind,
            nodes,
            is_saved=False,
        ),
        Altered(
            "nodes of another layout",
            hist,
            lambda m: setattr(m._predictors[0][0], "nodes", np.zeros(3)),
            kind,
            nodes,
            is_saved=False,
        ),
        Altered(
            "short bitsets",
            hist_categories,
            lambda m: setattr(
                m._predictors[0][0],
                "raw_left_cat_bitsets",
                m._predictors[0][0].raw_left_cat_bitsets[:, :2].copy(),
            ),
            kind,
            "_predictors[0][0].raw_left_cat_bitsets",
        ),
        Altered(
            "fewer categorical columns",
            hist_categories,
            lambda m: setattr(m._bin_mapper, "is_categorical_", np.zeros(1, np.uint8)),
            kind,
            "_bin_mapper.is_categorical_",
        ),
        Altered("as if in fit", hist, lambda m: setattr(m, "_in_fit", True), kind, "_in_fit"),
    ]


def kernels() -> list[Altered]:
    kind = "libsvm"

    def machine() -> Any:
        return svm.SVC().fit(X, Y)

    def of_sparse() -> Any:
        return svm.SVC().fit(sparse.csr_array(X), Y)

    def regression() -> Any:
        return svm.SVR().fit(X, YR)

    return [
        Altered(
            "counts that lie",
            machine,
            lambda m: setattr(m, "_n_support", m._n_support + np.int32(500)),
            kind,
            "_n_support",
        ),
        Altered(
            "negative count",
            machine,
            lambda m: m._n_support.__iadd__(np.array([-500, 500, 0], np.int32)),
            kind,
            "_n_support",
        ),
        Altered(
            "more classes in the counts",
            machine,
            lambda m: setattr(m, "_n_support", np.append(m._n_support, np.int32(0))),
            kind,
            "_n_support",
        ),
        Altered(
            "short coefficients",
            machine,
            lambda m: setattr(m, "_dual_coef_", m._dual_coef_[:, :3].copy()),
            kind,
            "_dual_coef_",
        ),
        Altered(
            "short intercept",
            machine,
            lambda m: setattr(m, "_intercept_", m._intercept_[:1].copy()),
            kind,
            "_intercept_",
        ),
        Altered(
            "narrow vectors",
            regression,
            lambda m: setattr(m, "support_vectors_", m.support_vectors_[:, :1].copy()),
            kind,
            "support_vectors_",
        ),
        Altered(
            "vectors of none but indices",
            machine,
            lambda m: setattr(m, "kernel", "precomputed"),
            kind,
            "support_vectors_",
        ),
        Altered(
            "index of a row that was not",
            machine,
            lambda m: m.support_.__setitem__(0, 10**8),
            kind,
            "support_",
        ),
        Altered(
            "probabilities without their numbers",
            machine,
            lambda m: setattr(m, "_effective_probability", True),
            kind,
            "_probA",
        ),
        Altered(
            "another machine's procedure",
            machine,
            lambda m: setattr(m, "_impl", "epsilon_svr"),
            "shadowed-method",
            "_impl",
        ),
        Altered(
            "sparse coefficients without zeros",
            of_sparse,
            lambda m: setattr(m, "_dual_coef_", sparse.csr_array(m._dual_coef_.shape)),
            kind,
            "_dual_coef_",
        ),
        Altered(
            "sparse vectors' pointers",
            of_sparse,
            lambda m: m.support_vectors_.indptr.__setitem__(1, 10**8),
            "sparse",
            "support_vectors_.indptr",
        ),
    ]


def points() -> list[Altered]:
    kind = "neighbors"

    def tree() -> Any:
        return NearestNeighbors(algorithm="kd_tree", leaf_size=5).fit(X)

    def ball() -> Any:
        return KernelDensity(algorithm="ball_tree", leaf_size=5).fit(X)

    def voters() -> Any:
        return KNeighborsClassifier(algorithm="brute").fit(X, Y)

    def weighted() -> Any:
        return NearestNeighbors(
            algorithm="ball_tree", metric="seuclidean", metric_params={"V": np.ones(4)}
        ).fit(X)

    return [
        Altered(
            "targets of no rows",
            voters,
            lambda m: (delattr(m, "n_samples_fit_"), put(m._y, 0, 1 << 40)),
            kind,
            "n_samples_fit_",
        ),
        Altered(
            "lengths that are taken on trust",
            voters,
            lambda m: m.effective_metric_params_.update(Y_norm_squared=np.zeros(1)),
            "metric",
            "effective_metric_params_['Y_norm_squared']",
        ),
        Altered(
            "a metric for other columns",
            weighted,
            lambda m: m.effective_metric_params_.update(V=np.ones(2)),
            "metric",
            "effective_metric_params_['V']",
        ),
        Altered(
            "point out of range",
            tree,
            lambda m: point_tree(m._tree, 1, lambda a: put(a, 0, 1 << 40)),
            kind,
            "_tree.idx_array",
        ),
        Altered(
            "point twice",
            tree,
            lambda m: point_tree(m._tree, 1, lambda a: put(a, 0, a[1])),
            kind,
            "_tree.idx_array",
        ),
        Altered(
            "run out of range",
            tree,
            lambda m: point_tree(m._tree, 2, lambda a: put(a, 3, (0, 1 << 40, 1, 0.0))),
            kind,
            "_tree.node_data",
        ),
        Altered(
            "leaf that has no children's room",
            tree,
            lambda m: point_tree(m._tree, 2, lambda a: put(a, -1, (*a[-1].tolist()[:2], 0, 0.0))),
            kind,
            "_tree.node_data",
        ),
        Altered(
            "narrow boxes",
            tree,
            lambda m: point_tree(m._tree, 3, lambda a: a[:, :, :1].copy()),
            kind,
            "_tree.node_bounds",
        ),
        Altered(
            "more nodes",
            ball,
            lambda m: point_tree(m.tree_, 6, lambda n: n + 1000),
            kind,
            "tree_.node_data",
        ),
        Altered(
            "short weights",
            ball,
            lambda m: point_tree(m.tree_, 12, lambda _: np.ones(3)),
            kind,
            "tree_.sample_weight",
        ),
        Altered(
            "short variances",
            weighted,
            lambda m: m._tree.__getstate__()[11].__setstate__((2.0, np.ones(1), np.ones((1, 1)))),
            "metric",
            "_tree.dist_metric",
            is_saved=False,
        ),
        Altered(
            "class out of range",
            voters,
            lambda m: m._y.__setitem__(0, 1 << 40),
            kind,
            "_y",
        ),
        Altered("fewer votes", voters, lambda m: setattr(m, "_y", m._y[:5].copy()), kind, "_y"),
        Altered(
            "more rows than there are",
            voters,
            lambda m: setattr(m, "n_samples_fit_", 10**6),
            kind,
            "n_samples_fit_",
        ),
        Altered(
            "narrow rows",
            voters,
            lambda m: setattr(m, "_fit_X", m._fit_X[:, :1].copy()),
            kind,
            "n_features_in_",
        ),
        Altered(
            "few densities",
            lambda: LocalOutlierFactor(novelty=True).fit(X),
            lambda m: setattr(m, "_lrd", m._lrd[:3]),
            kind,
            "_lrd",
        ),
        Altered(
            "narrow rows to impute from",
            lambda: KNNImputer().fit(X),
            lambda m: setattr(m, "_fit_X", m._fit_X[:, :2]),
            "shape",
            "_fit_X",
        ),
    ]


def columns() -> list[Altered]:
    def projection() -> Any:
        return SparseRandomProjection(2, random_state=0).fit(X)

    def one_hot() -> Any:
        return OneHotEncoder().fit(CATEGORIES)

    def words() -> Any:
        return CountVectorizer().fit(TEXTS)

    def chosen() -> Any:
        return make_column_transformer((StandardScaler(), [0, 1]), remainder="drop").fit(X)

    def splines() -> Any:
        return SplineTransformer().fit(X)

    def move(m: Any) -> None:
        m.vocabulary_["film"] = 10**8

    return [
        Altered(
            "index of a sparse array",
            projection,
            lambda m: m.components_.indices.__setitem__(0, 10**8),
            "sparse",
            "components_.indices",
        ),
        Altered(
            "pointers that fall",
            projection,
            lambda m: m.components_.indptr.__setitem__(1, m.components_.indptr[2] + 1),
            "sparse",
            "components_.indptr",
        ),
        Altered(
            "order that is claimed",
            lambda: SGDClassifier().fit(X, YB).sparsify(),
            lambda m: (
                m.coef_.__dict__.update(_has_sorted_indices=True),
                m.coef_.indices.__setitem__(slice(None), m.coef_.indices[::-1].copy()),
            ),
            "sparse",
            "coef_._has_sorted_indices",
        ),
        Altered(
            "more columns of an encoder",
            one_hot,
            lambda m: setattr(m, "_n_features_outs", [10**6, -(10**6)]),
            "encoder",
            "_n_features_outs",
        ),
        Altered(
            "categories left out",
            lambda: OrdinalEncoder().fit(CATEGORIES),
            lambda m: m.categories_.pop(),
            "encoder",
            "categories_",
        ),
        Altered("word out of range", words, move, "vocabulary", "vocabulary_"),
        Altered(
            "word with another's place",
            lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
                TEXTS, [1, 0, 1, 0] * 5
            ),
            lambda m: m[0].vocabulary_.update(film=0, good=0),
            "vocabulary",
            "steps[0][1].vocabulary_",
        ),
        Altered(
            "key out of range",
            lambda: DictVectorizer().fit([{"a": 1, "b": 2}]),
            lambda m: m.vocabulary_.update(a=-5),
            "vocabulary",
            "vocabulary_",
        ),
        Altered(
            "short weights of words",
            lambda: TfidfVectorizer().fit(TEXTS),
            lambda m: setattr(m._tfidf, "idf_", np.ones(1)),
            "vocabulary",
            "_tfidf.idf_",
        ),
        Altered(
            "column that is chosen and absent",
            chosen,
            lambda m: m._transformer_to_input_indices.update(standardscaler=[0, 99]),
            "columns",
            "_transformer_to_input_indices['standardscaler']",
        ),
        Altered(
            "bins",
            lambda: KBinsDiscretizer(
                3, encode="onehot", quantile_method="averaged_inverted_cdf"
            ).fit(X),
            lambda m: m.bin_edges_.__setitem__(1, np.arange(99.0)),
            "shape",
            "bin_edges_[1]",
        ),
        Altered(
            "short knots",
            splines,
            lambda m: setattr(m.bsplines_[2], "c", m.bsplines_[2].c[:2].copy()),
            "spline",
            "bsplines_",
            is_saved=False,
        ),
        Altered(
            "another degree",
            splines,
            lambda m: setattr(m.bsplines_[0], "k", 90),
            "spline",
            "bsplines_",
            is_saved=False,
        ),
    ]


def numbers() -> list[Altered]:
    def clusters() -> Any:
        return KMeans(3, n_init=1, random_state=0).fit(X)

    def halves() -> Any:
        return BisectingKMeans(4, random_state=0).fit(X)

    def network() -> Any:
        return MLPClassifier((5,), solver="lbfgs", max_iter=2000, random_state=0).fit(X, Y)

    def line() -> Any:
        return LinearRegression().fit(X, YR)

    def scaled() -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)

    def twin(m: Any) -> None:
        m._bisecting_tree.right = m._bisecting_tree.left

    def turn(m: Any) -> None:
        m._random_state.__setstate__(
            m._random_state.get_state(legacy=False) | {"state": wild_state(m._random_state)}
        )

    return [
        Altered(
            "narrow centres",
            clusters,
            lambda m: setattr(m, "cluster_centers_", m.cluster_centers_[:, :1].copy()),
            "shape",
            "cluster_centers_",
        ),
        Altered("clusters that meet again", halves, twin, "centers", "_bisecting_tree.left"),
        Altered(
            "narrow centre of a half",
            halves,
            lambda m: setattr(m._bisecting_tree.left, "center", np.ones(1)),
            "centers",
            "_bisecting_tree.left.center",
        ),
        Altered(
            "centres for rows of any width",
            clusters,
            lambda m: delattr(m, "n_features_in_"),
            "columns",
            "n_features_in_",
        ),
        Altered(
            "short norms",
            lambda: Birch(n_clusters=None).fit(X),
            lambda m: setattr(m, "_subcluster_norms", np.ones(1)),
            "shape",
            "_subcluster_norms",
        ),
        Altered(
            "huge label",
            lambda: FeatureAgglomeration(2).fit(X),
            lambda m: m.labels_.__setitem__(0, 1 << 40),
            "centers",
            "labels_",
            is_saved=False,
        ),
        Altered(
            "layers that do not fit",
            network,
            lambda m: m.coefs_.__setitem__(1, m.coefs_[1][:2]),
            "network",
            "coefs_[1]",
        ),
        Altered("position of a generator", network, turn, "random-state", "_random_state"),
        Altered(
            "coefficient that is NaN",
            scaled,
            lambda m: m[1].coef_.__setitem__((0, 0), np.nan),
            "not-finite",
            "steps[1][1].coef_",
        ),
        Altered(
            "coefficients of other columns",
            line,
            lambda m: setattr(m, "coef_", m.coef_[:2]),
            "shape",
            "coef_",
        ),
        Altered(
            "coefficients as texts",
            line,
            lambda m: setattr(m, "coef_", m.coef_.astype(str)),
            "shape",
            "coef_",
        ),
        Altered(
            "classes left out",
            scaled,
            lambda m: setattr(m[1], "classes_", m[1].classes_[:2]),
            "shape",
            "steps[1][1].coef_",
        ),
        Altered(
            "means of other columns",
            lambda: GaussianNB().fit(X, Y),
            lambda m: setattr(m, "theta_", m.theta_[:, :2]),
            "shape",
            "theta_",
        ),
        Altered(
            "one mean less",
            lambda: GaussianMixture(2, random_state=0).fit(X),
            lambda m: setattr(m, "means_", m.means_[:1]),
            "shape",
            "weights_",
        ),
        Altered(
            "components of other columns",
            lambda: PCA(2).fit(X),
            lambda m: setattr(m, "components_", m.components_[:, :2]),
            "shape",
            "components_",
        ),
        Altered(
            "the other byte order",
            line,
            lambda m: setattr(m, "extra_", X.astype(">f8")),
            "array",
            "extra_",
            is_saved=False,
        ),
        Altered(
            "a method of its own",
            scaled,
            lambda m: setattr(m[1], "predict", np.sum),
            "shadowed-method",
            "steps[1][1].predict",
            is_saved=False,
        ),
        Altered(
            "a number of columns that is none",
            line,
            lambda m: setattr(m, "n_features_in_", "4"),
            "columns",
            "n_features_in_",
        ),
        Altered(
            "names of other columns",
            line,
            lambda m: setattr(m, "feature_names_in_", np.array(["a"], dtype=object)),
            "columns",
            "feature_names_in_",
        ),
        Altered(
            "a function that writes into the model",
            lambda: FunctionTransformer(np.positive, kw_args={"axis": None}),
            lambda m: m.kw_args.update(out=np.zeros(4)),
            "writes-back",
            "kw_args['out']",
        ),
        Altered(
            "a partial that writes into the model",
            lambda: FunctionTransformer(partial(np.positive)),
            lambda m: setattr(m, "func", partial(np.positive, out=(np.zeros(4),))),
            "writes-back",
            "func.keywords['out']",
        ),
        Altered(
            "words that callers add to",
            lambda: CountVectorizer().fit(TEXTS),
            lambda m: setattr(m, "vocabulary_", defaultdict(int, m.vocabulary_)),
            "vocabulary",
            "vocabulary_",
        ),
        Altered(
            "a transformer that is none",
            lambda: TransformedTargetRegressor(LinearRegression()).fit(X, YR),
            lambda m: setattr(m, "transformer_", KFold()),
            "shadowed-method",
            "transformer_",
        ),
        Altered(
            "a function that writes no answer",
            lambda: FunctionTransformer(np.sqrt, kw_args={"where": True}),
            lambda m: m.kw_args.update(where=False),
            "writes-back",
            "kw_args['where']",
        ),
        Altered(
            "a method that answers do not come from",
            stacked,
            lambda m: m.stack_method_.__setitem__(0, "__getattribute__"),
            "shadowed-method",
            "stack_method_",
            is_saved=False,
        ),
        Altered(
            "an importance that leads to code",
            lambda: SelectFromModel(LinearRegression()).fit(X, YR),
            lambda m: setattr(m, "importance_getter", "fit.__func__.__code__"),
            "shadowed-method",
            "importance_getter",
        ),
        Altered(
            "a step that is no estimator",
            scaled,
            lambda m: m.steps.__setitem__(0, ("a", X)),
            "shadowed-method",
            "steps",
        ),
        Altered(
            "names of steps that say where memory lies",
            lambda: VotingRegressor([("a", LinearRegression())]).fit(X, YR),
            lambda m: m.named_estimators_.update(__array_interface__={}),
            "shadowed-method",
            "named_estimators_['__array_interface__']",
            is_saved=False,
        ),
    ]


def stacked() -> Any:
    return StackingRegressor([("a", LinearRegression())]).fit(X, YR)


def wild_state(generator: Any) -> dict[str, Any]:
    inner = generator.get_state(legacy=False)["state"]
    return {"key": inner["key"], "pos": 10**6}


ALTERED = [
    *(one for one in trees() if one.kind),
    *hist_boosting(),
    *kernels(),
    *points(),
    *columns(),
    *numbers(),
]
