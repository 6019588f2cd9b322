"""Finds the converter of a fitted object and calls it.

answer(builder, estimator, value)        -> the blocks that a final estimator makes
transform(builder, transformer, value)   -> what a step makes of the rows
as_matrix(builder, value)                -> one matrix of numbers, as check_array makes it
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serving.runtimes.compiled.convert.columns import as_matrix
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.table import CONVERTERS, TRANSFORMERS, WRAPPERS
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
        return list(_function(CONVERTERS[name])(builder, estimator, as_matrix(builder, value)))
    raise _unknown(name)


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
