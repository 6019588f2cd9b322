"""Which fitted attribute of which class has which shape; ``shapes`` says how a line is read.

A class also has the lines of the classes above it.
"""

from __future__ import annotations

_LINEAR = {"coef_": "F|T F|1 F", "intercept_": "|T|1"}
_BY_CLASS = {"coef_": "B F", "intercept_": "B|"}
_COMPONENTS = {"components_": "C F", "mean_": "?F"}
_SAMPLER = {"random_weights_": "F C", "random_offset_": "C"}
_NAIVE_BAYES = {"class_count_": "K", "class_log_prior_": "~K"}
_COUNTS = {"feature_count_": "K F", "feature_log_prob_": "~K F|1 F"}
_COVARIANCE = {"location_": "F", "covariance_": "F F", "precision_": "?F F"}
_MIXTURE = {"means_": "C F", "weights_": "C", "precisions_cholesky_": "C F F|F F|C F|C"}
_CENTERS = {"cluster_centers_": "C F", "_X_mean": "F", "labels_": "*"}
_SCORES = {"scores_": "~F", "pvalues_": "?~F"}
_BOOSTED = {"estimator_weights_": "*", "estimator_errors_": "*"}
_CROSS = {
    "_x_mean": "F",
    "_x_std": "F",
    "_y_mean": "T",
    "_y_std": "T",
    "x_weights_": "F C",
    "y_weights_": "T C",
    "x_rotations_": "F C",
    "y_rotations_": "T C",
    "coef_": "T F",
    "intercept_": "T",
}

SHAPES: dict[str, dict[str, str]] = {
    # Linear models
    "LinearModel": _LINEAR,
    "LinearClassifierMixin": _BY_CLASS,
    "BaseSGD": {"coef_": "F", "intercept_": "1", "offset_": "1"},
    "_GeneralizedLinearRegressor": {"coef_": "F", "intercept_": ""},
    "_RidgeClassifierMixin": {"coef_": "B F|K F|F", "intercept_": "B|K|"},
    "HuberRegressor": {"coef_": "F", "intercept_": "", "scale_": ""},
    "QuantileRegressor": {"coef_": "F", "intercept_": ""},
    "LinearSVR": {"coef_": "F", "intercept_": "|1"},
    "BayesianRidge": {"coef_": "F", "sigma_": "F F", "alpha_": "", "X_offset_": "F"},
    "ARDRegression": {"coef_": "F", "sigma_": "* *", "lambda_": "F", "X_offset_": "F"},
    "IsotonicRegression": {"X_thresholds_": "N", "y_thresholds_": "N"},
    "_SigmoidCalibration": {"a_": "", "b_": ""},
    # Discriminants, naive Bayes, centroids
    "LinearDiscriminantAnalysis": {
        "coef_": "B F",
        "intercept_": "B",
        "means_": "K F",
        "priors_": "K",
        "scalings_": "F *",
        "xbar_": "F",
    },
    "QuadraticDiscriminantAnalysis": {"means_": "K F", "priors_": "K"},
    "GaussianNB": {"theta_": "K F", "var_": "K F", "class_prior_": "K", "class_count_": "K"},
    "_BaseDiscreteNB": _NAIVE_BAYES,
    "MultinomialNB": _COUNTS,
    "ComplementNB": _COUNTS | {"feature_all_": "F"},
    "BernoulliNB": _COUNTS,
    "NearestCentroid": {"centroids_": "K F", "class_prior_": "K"},
    # Kernels
    "KernelRidge": {"dual_coef_": "N|N T", "X_fit_": "N F|N N"},
    "KernelPCA": {"eigenvalues_": "C", "eigenvectors_": "N C", "X_fit_": "N F"},
    "KernelCenterer": {"K_fit_rows_": "F", "K_fit_all_": ""},
    "GaussianProcessRegressor": {
        "X_train_": "N F",
        "y_train_": "N|N T",
        "alpha_": "N|N T",
        "L_": "N N",
        "_y_train_mean": "*|",
        "_y_train_std": "*|",
    },
    "_BinaryGaussianProcessClassifierLaplace": {
        "X_train_": "N *",
        "pi_": "N",
        "W_sr_": "N",
        "L_": "N N",
    },
    "Nystroem": {"components_": "C F", "normalization_": "C C", "component_indices_": "C"},
    "RBFSampler": _SAMPLER,
    "SkewedChi2Sampler": _SAMPLER,
    "PolynomialCountSketch": {"indexHash_": "D *", "bitHash_": "D *"},
    # Decompositions and projections
    "_BasePCA": _COMPONENTS | {"explained_variance_": "C"},
    "TruncatedSVD": {"components_": "C F"},
    "FactorAnalysis": _COMPONENTS | {"noise_variance_": "F"},
    "FastICA": {"components_": "C F", "mean_": "F", "mixing_": "F C"},
    "_BaseSparsePCA": _COMPONENTS,
    "_BaseNMF": {"components_": "C F"},
    "LatentDirichletAllocation": {"components_": "C F", "exp_dirichlet_component_": "C F"},
    "DictionaryLearning": {"components_": "C F"},
    "MiniBatchDictionaryLearning": {"components_": "C F"},
    "BernoulliRBM": {"components_": "C F", "intercept_hidden_": "C", "intercept_visible_": "F"},
    "BaseRandomProjection": {"components_": "C F", "inverse_components_": "F C"},
    "NeighborhoodComponentsAnalysis": {"components_": "C F"},
    "_PLS": _CROSS,
    "PLSSVD": {name: _CROSS[name] for name in ("_x_mean", "_x_std", "x_weights_", "y_weights_")},
    # Clusters, mixtures, densities, labels that spread
    "_BaseKMeans": _CENTERS,
    "MeanShift": _CENTERS,
    "AffinityPropagation": {"cluster_centers_": "C F"},
    "Birch": {"subcluster_centers_": "C F", "_subcluster_norms": "C", "subcluster_labels_": "C"},
    "BaseMixture": _MIXTURE,
    "EmpiricalCovariance": _COVARIANCE,
    "BaseLabelPropagation": {"X_": "N F", "label_distributions_": "N K"},
    # Preparation of columns
    "StandardScaler": {"mean_": "?~F", "var_": "?~F", "scale_": "?~F"},
    "MinMaxScaler": {"min_": "~F", "scale_": "~F", "data_min_": "~F", "data_max_": "~F"},
    "MaxAbsScaler": {"scale_": "~F", "max_abs_": "~F"},
    "RobustScaler": {"center_": "?~F", "scale_": "?~F"},
    "QuantileTransformer": {"quantiles_": "~Q F", "references_": "Q"},
    "PowerTransformer": {"lambdas_": "~F"},
    "TfidfTransformer": {"idf_": "F"},
    "KNNImputer": {"_fit_X": "~N F", "_mask_fit_X": "N F", "_valid_mask": "F"},
    # Choice of columns
    "_BaseFilter": _SCORES,
    "VarianceThreshold": {"variances_": "~F"},
    "RFE": {"support_": "F", "ranking_": "F"},
    "SequentialFeatureSelector": {"support_": "F"},
    # Ensembles and stand-ins
    "BaseWeightBoosting": _BOOSTED,
    "DummyRegressor": {"constant_": "1 T"},
}
