"""Finds the converter of a fitted object and calls it.

answer(builder, estimator, value)        -> the blocks that a final estimator makes
transform(builder, transformer, value)   -> what a step makes of the rows
as_matrix(builder, value)                -> one matrix of numbers, as check_array makes it
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serving.runtimes.compiled.convert.columns import apart, as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.table import CONVERTERS, LIKELIHOODS, TRANSFORMERS, WRAPPERS
from serving.runtimes.compiled.convert.values import Made, Value
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn.facts import qualified_name

_PACKAGE = "serving.runtimes.compiled.convert."


def answer(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """The blocks of a final estimator, kinds in the order of ``KINDS``. Raises NotCompiled."""
    name = qualified_name(estimator)
    if name in WRAPPERS:
        return list(_function(WRAPPERS[name])(builder, estimator, value))
    if name in CONVERTERS:
        made = list(_function(CONVERTERS[name])(builder, estimator, as_matrix(builder, value)))
        return made + _also_transformed(builder, estimator, value, made)
    if name in TRANSFORMERS and not hasattr(estimator, "predict"):
        made = transformed(builder, transform(builder, estimator, value))
        at = len(made) - 1
        return [*made[:at], *_scored(builder, estimator, value), *made[at:]]
    raise _unknown(name)


def _also_transformed(
    builder: GraphBuilder, estimator: Any, value: Value, made: list[Made]
) -> list[Made]:
    """The columns of what both predicts and transforms, where its converter made none."""
    does = qualified_name(estimator) in TRANSFORMERS and hasattr(estimator, "transform")
    if not does or any(one.kind == "transform" for one in made):
        return []
    return transformed(builder, transform(builder, estimator, value))[-1:]


def _scored(builder: GraphBuilder, estimator: Any, value: Value) -> list[Made]:
    """The log-likelihood of rows, which PCA and FactorAnalysis tell besides."""
    name = qualified_name(estimator)
    if not hasattr(estimator, "score_samples"):
        return []
    if name not in LIKELIHOODS:
        raise _unknown(name)
    return [Made("decision", _function(LIKELIHOODS[name])(builder, estimator, value))]


def transformed(builder: GraphBuilder, value: Value) -> list[Made]:
    """The answer of an object that only transforms: a prediction per column, and the columns."""
    whole = as_matrix(builder, value)
    if whole.dtype == "float32":
        whole = builder.as_double(whole)
    columns = [Made("prediction", name) for name in apart(builder, value)]
    return [*columns, Made("transform", whole.name)]


def transform(builder: GraphBuilder, transformer: Any, value: Value) -> Value:
    """What ``transformer.transform`` makes of the rows. Raises NotCompiled."""
    name = qualified_name(transformer)
    if name not in TRANSFORMERS:
        raise _unknown(name)
    made: Value = _function(TRANSFORMERS[name])(builder, transformer, value)
    return made


def has_answer(estimator: Any) -> bool:
    """Whether ``answer`` knows the class."""
    return qualified_name(estimator) in CONVERTERS.keys() | WRAPPERS.keys()


def _function(where: str) -> Any:
    module, _, function = where.partition(":")
    return getattr(import_module(_PACKAGE + module), function)


def _unknown(name: str) -> NotCompiled:
    short = name.rpartition(".")[2]
    return NotCompiled("no-converter", f"{short} is not compiled yet.")
