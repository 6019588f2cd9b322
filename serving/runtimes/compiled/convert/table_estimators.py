"""Which function converts which estimator: the part of ``table`` for what predicts."""

from __future__ import annotations

# module:function -> classes of sklearn, one package a line
_FROM_MATRIX: dict[str, tuple[str, ...]] = {
    "trees:convert": (
        "tree: DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    ),
    "trees:forest": (
        "ensemble: RandomForestClassifier RandomForestRegressor",
        "ensemble: ExtraTreesClassifier ExtraTreesRegressor",
    ),
    "gradient_boosting:convert": (
        "ensemble: GradientBoostingClassifier GradientBoostingRegressor",
    ),
    "linear:regressor": (
        "linear_model: LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV",
        "linear_model: MultiTaskLasso MultiTaskLassoCV MultiTaskElasticNet MultiTaskElasticNetCV",
        "linear_model: Lars LarsCV LassoLars LassoLarsCV LassoLarsIC BayesianRidge ARDRegression",
        "linear_model: OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV HuberRegressor",
        "linear_model: TheilSenRegressor QuantileRegressor SGDRegressor PassiveAggressiveRegressor",
        "svm: LinearSVR",
    ),
    "linear:generalized": ("linear_model.glm: PoissonRegressor GammaRegressor TweedieRegressor",),
    "linear:logistic": ("linear_model: LogisticRegression LogisticRegressionCV",),
    "linear:stochastic": ("linear_model: SGDClassifier",),
    "linear:classifier": (
        "linear_model: RidgeClassifier RidgeClassifierCV Perceptron PassiveAggressiveClassifier",
        "svm: LinearSVC",
    ),
    "linear:one_class": ("linear_model: SGDOneClassSVM",),
    "discriminant:linear": ("discriminant_analysis: LinearDiscriminantAnalysis",),
    "discriminant:quadratic": ("discriminant_analysis: QuadraticDiscriminantAnalysis",),
    "discriminant:gaussian": ("naive_bayes: GaussianNB",),
    "discriminant:multinomial": ("naive_bayes: MultinomialNB ComplementNB",),
    "discriminant:bernoulli": ("naive_bayes: BernoulliNB",),
    "discriminant:categorical": ("naive_bayes: CategoricalNB",),
    "linear:least_squares": ("cross_decomposition: PLSRegression PLSCanonical CCA",),
    "averaging:bagged_classifier": ("ensemble: BaggingClassifier",),
    "averaging:bagged_regressor": ("ensemble: BaggingRegressor",),
    "averaging:boosted_classifier": ("ensemble: AdaBoostClassifier",),
    "averaging:boosted_regressor": ("ensemble: AdaBoostRegressor",),
    "one_vs_rest:pairs": ("multiclass: OneVsOneClassifier",),
    "multi_output:chain": ("multioutput: ClassifierChain RegressorChain",),
    "calibration:isotonic": ("isotonic: IsotonicRegression",),
    "kernels:classifier": ("svm: SVC NuSVC",),
    "kernels:regressor": ("svm: SVR NuSVR",),
    "kernels:one_class": ("svm: OneClassSVM",),
    "kernels:ridge": ("kernel_ridge: KernelRidge",),
    "clusters:centres": ("cluster: KMeans MiniBatchKMeans",),
    "clusters:nearest": ("cluster: MeanShift AffinityPropagation",),
    "clusters:halves": ("cluster: BisectingKMeans",),
    "clusters:mixture": ("mixture: GaussianMixture BayesianGaussianMixture",),
    "anomaly:forest": ("ensemble: IsolationForest",),
    "anomaly:envelope": ("covariance: EllipticEnvelope",),
    "networks:regressor": ("neural_network: MLPRegressor",),
    "networks:classifier": ("neural_network: MLPClassifier",),
}

_FROM_ANYTHING: dict[str, tuple[str, ...]] = {
    "hist_boosting:convert": (
        "ensemble.gradient_boosting: HistGradientBoostingClassifier HistGradientBoostingRegressor",
    ),
    "linear:fitted": (
        "linear_model: RANSACRegressor",
        "semi_supervised: SelfTrainingClassifier",
    ),
    "voting:classifier": ("ensemble: VotingClassifier",),
    "voting:regressor": ("ensemble: VotingRegressor",),
    "voting:stack": ("ensemble: StackingClassifier StackingRegressor",),
    "one_vs_rest:rest": ("multiclass: OneVsRestClassifier",),
    "one_vs_rest:codes": ("multiclass: OutputCodeClassifier",),
    "multi_output:regressor": ("multioutput: MultiOutputRegressor",),
    "multi_output:classifier": ("multioutput: MultiOutputClassifier",),
    "multi_output:transformed_target": ("compose: TransformedTargetRegressor",),
    "calibration:calibrated": ("calibration: CalibratedClassifierCV",),
    "calibration:thresholded": (
        "model_selection: FixedThresholdClassifier TunedThresholdClassifierCV",
    ),
    "dummies:regressor": ("dummy: DummyRegressor",),
    "dummies:classifier": ("dummy: DummyClassifier",),
}

_STEPS: dict[str, tuple[str, ...]] = {
    "steps:transform": (
        "cluster: KMeans MiniBatchKMeans BisectingKMeans",
        "ensemble: VotingRegressor StackingRegressor StackingClassifier",
    ),
}


def _by_class(lines: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {
        f"sklearn.{line.partition(': ')[0]}.{name}": where
        for where, found in lines.items()
        for line in found
        for name in line.partition(": ")[2].split()
    }


# Take one matrix of numbers.
ESTIMATORS = _by_class(_FROM_MATRIX)
# Look at columns themselves, or hand what they get to others.
WHOLES = _by_class(_FROM_ANYTHING)
# Answer, and also transform rows for a step behind them.
STEPS = _by_class(_STEPS)
