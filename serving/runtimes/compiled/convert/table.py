"""Which function converts which fitted class. Exact classes: a subclass may compute otherwise.

Keys are ``module.QualifiedName`` without private modules, values ``module:function`` with the
module in this package. Three kinds:

- ``CONVERTERS``: ``convert(builder, estimator, x: Matrix) -> list[Made]``; the input has become
  one matrix of numbers, as ``check_array`` makes it.
- ``WRAPPERS``: ``convert(builder, estimator, value: Value) -> list[Made]``; estimators that hand
  what they get to others, or look at columns themselves.
- ``TRANSFORMERS``: ``convert(builder, transformer, value: Value) -> Value``.
"""

from __future__ import annotations

from serving.runtimes.compiled.convert.table_estimators import ESTIMATORS, WHOLES

CONVERTERS: dict[str, str] = {**ESTIMATORS}

WRAPPERS: dict[str, str] = {**WHOLES}

TRANSFORMERS: dict[str, str] = {}
