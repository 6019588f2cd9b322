"""One input for several questions: the steps of a pipeline run once, and nobody's input is altered.

Steps that were made with ``copy=False`` write into what they are given, so that a second question
to the same input would be answered for other values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline


def transformed(model: Any, x: Any) -> tuple[Any, Any]:
    """What answers in the end, and the input that reaches it: ``model`` and ``x`` themselves
    unless it is a pipeline.

    ``Pipeline.predict`` and its like do just this before they ask the last step.
    """
    while type(model) is Pipeline and model.steps[-1][1] not in (None, "passthrough"):
        for _, _, step in model._iter(with_final=False):
            x = step.transform(x)
        model = model.steps[-1][1]
    return model, x


def copied(x: Any) -> Any:
    """The same input in memory of its own: frame, series, matrix, sparse matrix or list."""
    # In the same order of memory: another one gives other last digits.
    return x.copy(order="K") if isinstance(x, np.ndarray) else x.copy()
