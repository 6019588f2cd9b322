"""Linear maps into components, and kernel approximations."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.compiled.convert.columns import as_doubles
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.kernels import kernel
from serving.runtimes.compiled.convert.scaling import normalized
from serving.runtimes.compiled.convert.values import Matrix, Value
from serving.runtimes.compiled.errors import NotCompiled


def _checked(builder: GraphBuilder, value: Value) -> Matrix:
    x = as_doubles(builder, value)
    builder.refuse_not_finite(x)
    return x


def product(builder: GraphBuilder, x: Matrix, weights: Any) -> Matrix:
    """x @ weights, in double."""
    dense = weights.toarray() if hasattr(weights, "toarray") else np.asarray(weights)
    if dense.dtype != np.float64:
        raise NotCompiled("float32-columns", "A step was fitted in float32.")
    made = builder.add("MatMul", [x.name, builder.constant(np.ascontiguousarray(dense))])
    return Matrix(made, dense.shape[1])


def _with(builder: GraphBuilder, op: str, x: Matrix, operand: Any) -> Matrix:
    other = builder.constant(np.asarray(operand, np.float64))
    return Matrix(builder.add(op, [x.name, other]), x.width)


def principal(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """PCA and IncrementalPCA: projected, then centered, then whitened."""
    x = _checked(builder, value)
    made = product(builder, x, step.components_.T)
    made = _with(builder, "Sub", made, np.reshape(step.mean_, (1, -1)) @ step.components_.T)
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        made = _with(builder, "Div", made, np.maximum(scale, np.finfo(scale.dtype).eps))
    return made


def projection(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """x @ components.T: TruncatedSVD, random projections, neighbourhood components."""
    return product(builder, _checked(builder, value), step.components_.T)


def independent(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """FastICA: centered where it whitens, then projected."""
    x = _checked(builder, value)
    if step.whiten:
        x = _with(builder, "Sub", x, step.mean_)
    return product(builder, x, step.components_.T)


def factors(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """FactorAnalysis: the mean of the latent variables."""
    x = _with(builder, "Sub", _checked(builder, value), step.mean_)
    weighed = step.components_ / step.noise_variance_
    identity = np.eye(len(step.components_))
    covariance = np.linalg.inv(identity + np.dot(weighed, step.components_.T))
    return product(builder, product(builder, x, weighed.T), covariance)


def least_squares(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """PLSRegression, PLSCanonical and CCA: the scores of x."""
    return _scores(builder, step, value, step.x_rotations_)


def least_squares_svd(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """PLSSVD."""
    return _scores(builder, step, value, step.x_weights_)


def _scores(builder: GraphBuilder, step: Any, value: Value, weights: Any) -> Matrix:
    x = _with(builder, "Sub", _checked(builder, value), step._x_mean)
    return product(builder, _with(builder, "Div", x, step._x_std), weights)


def discriminants(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """LinearDiscriminantAnalysis as a transformer."""
    if step.solver == "lsqr":
        raise NotCompiled("no-transform", "The solver lsqr transforms nothing.")
    x = _checked(builder, value)
    if step.solver == "svd":
        x = _with(builder, "Sub", x, step.xbar_)
    scalings = np.asarray(step.scalings_)[:, : step._max_components]
    return product(builder, x, scalings)


def fourier(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """RBFSampler: cosines of random projections."""
    made = product(builder, _checked(builder, value), step.random_weights_)
    return _cosines(builder, step, made, (2.0 / step.n_components) ** 0.5)


def skewed(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """SkewedChi2Sampler: the same of logarithms."""
    x = _checked(builder, value)
    least = builder.constant(-float(step.skewedness))
    builder.refuse(builder.any_of(builder.add("LessOrEqual", [x.name, least])))
    x = _with(builder, "Add", x, step.skewedness)
    made = product(builder, Matrix(builder.add("Log", [x.name]), x.width), step.random_weights_)
    return _cosines(builder, step, made, np.sqrt(2.0) / np.sqrt(step.n_components))


def _cosines(builder: GraphBuilder, step: Any, x: Matrix, factor: float) -> Matrix:
    x = _with(builder, "Add", x, step.random_offset_)
    return _with(builder, "Mul", Matrix(builder.add("Cos", [x.name]), x.width), factor)


def agglomeration(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """FeatureAgglomeration: the mean of each group of columns."""
    x = _checked(builder, value)
    if step.pooling_func is not np.mean:
        raise NotCompiled("own-function", "Columns are pooled by another function than the mean.")
    labels = np.asarray(step.labels_)
    groups = np.zeros((x.width, int(labels.max()) + 1))
    groups[np.arange(x.width), labels] = 1.0
    return _with(builder, "Div", product(builder, x, groups), np.bincount(labels))


def likelihood(builder: GraphBuilder, step: Any, value: Value) -> str:
    """``score_samples`` of PCA and FactorAnalysis: a Gaussian with their covariance, [N]."""
    x = _with(builder, "Sub", _checked(builder, value), step.mean_)
    precision = np.asarray(step.get_precision())
    weighed = builder.add("Mul", [x.name, product(builder, x, precision).name])
    axis = builder.constant(np.array([1], np.int64))
    found = builder.add("ReduceSum", [weighed, axis], keepdims=0)
    found = builder.add("Mul", [found, builder.constant(-0.5)])
    # In the order of each: PCA takes n log 2 pi - log det, FactorAnalysis the same.
    scale = 0.5 * (x.width * np.log(2.0 * np.pi) - np.linalg.slogdet(precision)[1])
    return str(builder.add("Sub", [found, builder.constant(float(scale))]))


def kernel_approximation(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """Nystroem: the kernel to some kept rows, times a matrix."""
    x = _checked(builder, value)
    given = {"gamma": None, "degree": 3, "coef0": 1, **(step.kernel_params or {})}
    given |= {
        name: getattr(step, name)
        for name in ("gamma", "degree", "coef0")
        if getattr(step, name) is not None
    }
    found = _kernel(builder, step.kernel, x, np.asarray(step.components_), given)
    return product(builder, found, np.asarray(step.normalization_).T)


def kernel_components(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """KernelPCA: the centered kernel to the rows of the fit, times scaled eigenvectors."""
    x = _checked(builder, value)
    given = {"gamma": step.gamma_, "degree": step.degree, "coef0": step.coef0}
    found = _kernel(builder, step.kernel, x, np.asarray(step.X_fit_), given)
    values = np.asarray(step.eigenvalues_)
    used = np.flatnonzero(values)
    scaled = np.zeros_like(step.eigenvectors_)
    scaled[:, used] = step.eigenvectors_[:, used] / np.sqrt(values[used])
    return product(builder, _centred(builder, step._centerer, found), scaled)


def _kernel(
    builder: GraphBuilder, name: Any, x: Matrix, kept: np.ndarray, given: dict[str, Any]
) -> Matrix:
    if not isinstance(name, str):
        raise NotCompiled("kernel", "The kernel is a function.")
    gamma = 1.0 / x.width if given["gamma"] is None else float(given["gamma"])
    degree, coef0 = float(given["degree"]), float(given["coef0"])
    kept = kept.astype(np.float64)
    made = kernel(builder, name, x.name, kept, gamma=gamma, degree=degree, coef0=coef0)
    return Matrix(made, len(kept))


def kernel_centerer(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """KernelCenterer as a step."""
    return _centred(builder, step, _checked(builder, value))


def _centred(builder: GraphBuilder, step: Any, x: Matrix) -> Matrix:
    axis = builder.constant(np.array([1], np.int64))
    rows = np.asarray(step.K_fit_rows_, np.float64)
    total = builder.add("ReduceSum", [x.name, axis], keepdims=1)
    mean = builder.add("Div", [total, builder.constant(float(len(rows)))])
    made = _with(builder, "Sub", x, rows)
    made = Matrix(builder.add("Sub", [made.name, mean]), x.width)
    return _with(builder, "Add", made, step.K_fit_all_)


def term_weights(builder: GraphBuilder, step: Any, value: Value) -> Matrix:
    """TfidfTransformer on counts: logarithm, weight of each term, length of one."""
    x = _checked(builder, value)
    if step.sublinear_tf:
        log = _with(builder, "Add", Matrix(builder.add("Log", [x.name]), x.width), 1.0)
        is_zero = builder.add("Equal", [x.name, builder.constant(0.0)])
        x = Matrix(builder.add("Where", [is_zero, x.name, log.name]), x.width)
    if step.use_idf:
        x = _with(builder, "Mul", x, step.idf_)
    return x if step.norm is None else normalized(builder, x, step.norm)
