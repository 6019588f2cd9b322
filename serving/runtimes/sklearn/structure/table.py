"""Class -> what it is held to. A class is also held to what the classes above it are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline
from sklearn import cluster, compose, ensemble, feature_extraction, neighbors, preprocessing, tree
from sklearn.base import BaseEstimator
from sklearn.ensemble._bagging import BaseBagging
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import _ball_tree, _kd_tree
from sklearn.neighbors._base import NeighborsBase
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.preprocessing._encoders import _BaseEncoder
from sklearn.svm._base import BaseLibSVM
from sklearn.tree._tree import Tree
from sklearn.utils import Bunch

from serving.runtimes.sklearn.structure import (
    called,
    clusters,
    encoders,
    hist_gradient,
    networks,
    shapes,
    svm,
    trees,
    wholes,
)
from serving.runtimes.sklearn.structure import neighbors as points
from serving.runtimes.sklearn.structure import sparse as sparse_arrays
from serving.runtimes.sklearn.structure.walk import Place

Check = Callable[[Any, Place], None]

CHECKS: dict[type, tuple[Check, ...]] = {
    dict: (wholes.check_dict,),
    Bunch: (wholes.check_bunch,),
    np.ndarray: (wholes.check_array,),
    np.random.RandomState: (wholes.check_random_state,),
    np.random.Generator: (wholes.check_random_state,),
    np.random.BitGenerator: (wholes.check_random_state,),
    sparse.spmatrix: (sparse_arrays.check_sparse,),
    sparse.sparray: (sparse_arrays.check_sparse,),
    BSpline: (encoders.check_spline,),
    BaseEstimator: (wholes.check_columns, shapes.check_shapes, called.check_called),
    compose.ColumnTransformer: (wholes.check_chooser,),
    # Trees
    Tree: (trees.check_tree,),
    tree.BaseDecisionTree: (trees.check_decision_tree,),
    BaseForest: (trees.check_forest,),
    BaseGradientBoosting: (trees.check_boosting,),
    BaseBagging: (trees.check_subsets,),
    ensemble.IsolationForest: (trees.check_isolation,),
    TreePredictor: (hist_gradient.check_predictor,),
    BaseHistGradientBoosting: (hist_gradient.check_boosting,),
    # Neighbours
    _kd_tree.KDTree64: (points.check_point_tree,),
    _kd_tree.KDTree32: (points.check_point_tree,),
    _ball_tree.BallTree64: (points.check_point_tree,),
    _ball_tree.BallTree32: (points.check_point_tree,),
    DistanceMetric: (points.check_metric,),
    NeighborsBase: (points.check_neighbors,),
    neighbors.LocalOutlierFactor: (points.check_outliers,),
    # The rest
    BaseLibSVM: (svm.check_libsvm,),
    BaseMultilayerPerceptron: (networks.check_network,),
    cluster.BisectingKMeans: (clusters.check_bisecting,),
    cluster.FeatureAgglomeration: (clusters.check_agglomeration,),
    _BaseEncoder: (encoders.check_categories,),
    preprocessing.OneHotEncoder: (encoders.check_one_hot,),
    preprocessing.TargetEncoder: (encoders.check_target_encodings,),
    preprocessing.KBinsDiscretizer: (encoders.check_bins,),
    preprocessing.SplineTransformer: (encoders.check_splines,),
    CountVectorizer: (encoders.check_vocabulary,),
    feature_extraction.DictVectorizer: (encoders.check_vocabulary,),
}
