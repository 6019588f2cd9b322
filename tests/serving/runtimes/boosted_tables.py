"""A table for boosted trees: gaps, categories, names with blanks and letters beyond ASCII."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from registry.signature.infer import infer
from registry.signature.types import Signature
from serving.runtimes.base import Answer, LoadedModel

CHANCE = np.random.default_rng(11)
ROWS = 160
NUMBERS = CHANCE.normal(size=(ROWS, 3))
NUMBERS[CHANCE.random((ROWS, 3)) < 0.15] = np.nan
FRAME = pd.DataFrame(NUMBERS, columns=["weight kg", "größe", "x"])
WITH_TEXTS = FRAME.assign(
    town=CHANCE.choice(["Rome", "Oslo", "Köln"], ROWS), floor=CHANCE.choice([1, 5, 30], ROWS)
)
WITH_CATEGORIES = WITH_TEXTS.astype({"town": "category", "floor": "category"})
SCORE = np.nan_to_num(NUMBERS[:, 0]) * 2 + (WITH_TEXTS["town"] == "Rome") + CHANCE.normal(size=ROWS)
TWO = (SCORE > 0.5).astype(int).to_numpy()
THREE = (SCORE > 0).astype(int).to_numpy() + (SCORE > 1.5).to_numpy()
VALUE = SCORE.to_numpy()


def signature_of(model: LoadedModel) -> Signature:
    """What is inferred without an example."""
    return infer(model.facts(), None, False).signature


def batch_of(frame: pd.DataFrame | np.ndarray) -> pa.RecordBatch:
    """Rows as the validator hands them over: float64 and string, null where a value is missing."""
    if isinstance(frame, np.ndarray):
        frame = pd.DataFrame(frame, columns=[f"x{i}" for i in range(frame.shape[1])])
    plain = {name: column.astype(object) for name, column in frame.items()}
    arrays = {name: pa.array(column, from_pandas=True) for name, column in plain.items()}
    return pa.RecordBatch.from_pydict(arrays)


def prediction(answer: Answer, output: int = 0) -> list[Any]:
    return answer.of("prediction")[output].arrays[0].to_pylist()


def probabilities(answer: Answer, output: int = 0) -> np.ndarray:
    return np.column_stack([a.to_numpy() for a in answer.of("probabilities")[output].arrays])


def decision(answer: Answer) -> np.ndarray:
    return np.column_stack([a.to_numpy() for a in answer.of("decision")[0].arrays])


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


@contextmanager
def no_new_thread() -> Iterator[None]:
    before = threads()
    yield
    assert threads() <= before


def quietly(fit: Callable[[], Any]) -> Any:
    """Fit without the warnings that the libraries give of their own accord."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit()
