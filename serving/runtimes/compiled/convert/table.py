"""Which function converts which fitted class. Exact classes: a subclass may compute otherwise.

Keys are ``module.QualifiedName`` without private modules, values ``module:function`` with the
module in this package. Four kinds:

- ``CONVERTERS``: ``convert(builder, estimator, x: Matrix) -> list[Made]``; the input has become
  one matrix of numbers, as ``check_array`` makes it.
- ``WRAPPERS``: ``convert(builder, estimator, value: Value) -> list[Made]``; estimators that hand
  what they get to others, or look at columns themselves.
- ``TRANSFORMERS``: ``convert(builder, transformer, value: Value) -> Value``.
- ``LIKELIHOODS``: ``convert(builder, transformer, value: Value) -> tensor [N]`` for the method
  ``score_samples`` of what transforms.
"""

from __future__ import annotations

from serving.runtimes.compiled.convert.table_estimators import ESTIMATORS, STEPS, WHOLES

CONVERTERS: dict[str, str] = {**ESTIMATORS}

WRAPPERS: dict[str, str] = {
    **WHOLES,
    "sklearn.pipeline.Pipeline": "composing:pipeline",
    "sklearn.frozen.FrozenEstimator": "composing:frozen",
    "sklearn.feature_selection.RFE": "composing:eliminated",
    "sklearn.feature_selection.RFECV": "composing:eliminated",
    "sklearn.model_selection.GridSearchCV": "composing:best_estimator",
    "sklearn.model_selection.RandomizedSearchCV": "composing:best_estimator",
    "sklearn.model_selection.HalvingGridSearchCV": "composing:best_estimator",
    "sklearn.model_selection.HalvingRandomSearchCV": "composing:best_estimator",
}

TRANSFORMERS: dict[str, str] = {
    **STEPS,
    "sklearn.pipeline.Pipeline": "composing:pipeline_transform",
    "sklearn.pipeline.FeatureUnion": "composing:feature_union",
    "sklearn.compose.ColumnTransformer": "composing:column_transformer",
    "sklearn.frozen.FrozenEstimator": "composing:frozen_transform",
    "sklearn.model_selection.GridSearchCV": "composing:best_transform",
    "sklearn.model_selection.RandomizedSearchCV": "composing:best_transform",
    "sklearn.preprocessing.FunctionTransformer": "functions:convert",
    "sklearn.impute.SimpleImputer": "imputing:simple",
    "sklearn.impute.MissingIndicator": "imputing:indicator",
    "sklearn.preprocessing.OneHotEncoder": "encoding:one_hot",
    "sklearn.preprocessing.OrdinalEncoder": "encoding:ordinal",
    "sklearn.preprocessing.TargetEncoder": "encoding:target",
    "sklearn.preprocessing.StandardScaler": "scaling:standard",
    "sklearn.preprocessing.MinMaxScaler": "scaling:min_max",
    "sklearn.preprocessing.MaxAbsScaler": "scaling:max_abs",
    "sklearn.preprocessing.RobustScaler": "scaling:robust",
    "sklearn.preprocessing.Normalizer": "scaling:normalizer",
    "sklearn.preprocessing.Binarizer": "scaling:binarizer",
    "sklearn.preprocessing.PowerTransformer": "scaling:power",
    "sklearn.preprocessing.KBinsDiscretizer": "binning:bins",
    "sklearn.preprocessing.PolynomialFeatures": "binning:products",
    "sklearn.preprocessing.QuantileTransformer": "quantiles:convert",
    "sklearn.preprocessing.SplineTransformer": "pieces:splines",
    "sklearn.preprocessing.KernelCenterer": "components:kernel_centerer",
    "sklearn.kernel_approximation.Nystroem": "components:kernel_approximation",
    "sklearn.decomposition.KernelPCA": "components:kernel_components",
    "sklearn.feature_extraction.text.TfidfTransformer": "components:term_weights",
    "sklearn.decomposition.PCA": "components:principal",
    "sklearn.decomposition.IncrementalPCA": "components:principal",
    "sklearn.decomposition.TruncatedSVD": "components:projection",
    "sklearn.decomposition.FastICA": "components:independent",
    "sklearn.decomposition.FactorAnalysis": "components:factors",
    "sklearn.random_projection.GaussianRandomProjection": "components:projection",
    "sklearn.random_projection.SparseRandomProjection": "components:projection",
    "sklearn.neighbors.NeighborhoodComponentsAnalysis": "components:projection",
    "sklearn.cross_decomposition.PLSRegression": "components:least_squares",
    "sklearn.cross_decomposition.PLSCanonical": "components:least_squares",
    "sklearn.cross_decomposition.CCA": "components:least_squares",
    "sklearn.cross_decomposition.PLSSVD": "components:least_squares_svd",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": "components:discriminants",
    "sklearn.kernel_approximation.RBFSampler": "components:fourier",
    "sklearn.kernel_approximation.SkewedChi2Sampler": "components:skewed",
    "sklearn.cluster.FeatureAgglomeration": "components:agglomeration",
    "sklearn.feature_selection.GenericUnivariateSelect": "composing:selection",
    "sklearn.feature_selection.RFE": "composing:selection",
    "sklearn.feature_selection.RFECV": "composing:selection",
    "sklearn.feature_selection.SelectFdr": "composing:selection",
    "sklearn.feature_selection.SelectFpr": "composing:selection",
    "sklearn.feature_selection.SelectFromModel": "composing:selection",
    "sklearn.feature_selection.SelectFwe": "composing:selection",
    "sklearn.feature_selection.SelectKBest": "composing:selection",
    "sklearn.feature_selection.SelectPercentile": "composing:selection",
    "sklearn.feature_selection.SequentialFeatureSelector": "composing:selection",
    "sklearn.feature_selection.VarianceThreshold": "composing:selection",
}

LIKELIHOODS: dict[str, str] = {
    "sklearn.decomposition.PCA": "components:likelihood",
    "sklearn.decomposition.FactorAnalysis": "components:likelihood",
}
