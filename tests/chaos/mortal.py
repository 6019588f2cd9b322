"""A runtime for the chaos run: scikit-learn's, but the process dies on a row with a certain age."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from serving.runtimes.base import Answer, LoadedModel
from serving.runtimes.sklearn import load as load_plain

POISON_AGE = 113


class Mortal:
    """Everything is the model's own, but for one age."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        ages = batch.column("age")
        if pc.any(pc.equal(ages, POISON_AGE)).as_py():
            os.kill(os.getpid(), signal.SIGKILL)
        return self._model.score(batch, outputs, params)


def load(artifact: BinaryIO, format: str) -> Any:
    return Mortal(load_plain(artifact, format))
