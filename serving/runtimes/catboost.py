"""Runtime for CatBoost's ``.cbm`` files: its own evaluator on one thread.

The file keeps the labels of a classifier, so they are what is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa

from registry.signature.facts import ColumnHint, ModelFacts, OutputFacts
from serving.runtimes import arrays, boosted
from serving.runtimes.base import python_label
from serving.runtimes.boosted import CLASSIFIER, BoostedModel, Feature, outputs_of

boosted.import_early("catboost")

_KINDS = {"prediction": "Class", "probabilities": "Probability", "decision": "RawFormulaVal"}
_ONE_OF = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")
_SEVERAL = ("MultiLogloss", "MultiCrossEntropy")


def load(artifact: BinaryIO, format: str) -> CatBoostModel:
    """Open a model from its bytes alone.

    Raises CheckRefused when the library is not installed or does not take the file.
    """
    del format
    catboost = boosted.library("catboost", "catboost")
    model = catboost.CatBoost()
    try:
        model.load_model(blob=artifact.read())
    except catboost.CatBoostError as error:
        raise boosted.load_failed("CatBoost", error) from error
    return CatBoostModel(catboost, model)


class CatBoostModel(BoostedModel):
    """A model, its columns and what its loss answers."""

    def __init__(self, catboost: Any, model: Any) -> None:
        self._catboost, self._model = catboost, model
        names = [str(name) for name in model.feature_names_]
        named = names != [str(i) for i in range(len(names))]
        self._names = names
        self._texts = frozenset(model.get_cat_feature_indices())
        shown = names if named else [f"x{i}" for i in range(len(names))]
        told = boosted.input_facts([Feature(name) for name in shown], named=named)
        if self._texts:
            # Whether they were texts or whole numbers at training is not in the file.
            told["columns"] |= {shown[at]: ColumnHint() for at in self._texts}
            told["numeric_only"] = False
        loss = str((model.get_all_params() or {}).get("loss_function", "")).partition(":")[0]
        self._is_classifier = loss in (*_ONE_OF, *_SEVERAL)
        self._facts = ModelFacts(
            estimator="catboost.CatBoost",
            libraries={"catboost": catboost.__version__},
            methods=CLASSIFIER if self._is_classifier else ("predict",),
            outputs=self._outputs(loss),
            **told,
        )

    def _outputs(self, loss: str) -> tuple[OutputFacts, ...]:
        trial = self._predict(self._nothing(), "Class" if self._is_classifier else "RawFormulaVal")
        kinds = [arrays.dtype_key(arrays.to_arrow(c)) for c in arrays.columns_of(trial, 1)]
        if loss in _SEVERAL:
            return outputs_of(len(kinds), kinds[0], (0, 1))
        if self._is_classifier:
            return outputs_of(1, kinds[0], tuple(python_label(c) for c in self._model.classes_))
        return outputs_of(len(kinds), "float64", None)

    def answers(
        self, columns: Sequence[tuple[str, pa.Array]], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """See BoostedModel; numbers are float32, as CatBoost has them."""
        rows = self._rows([array for _, array in columns])
        if not self._is_classifier:
            return {"prediction": self._predict(rows, None)}
        return {kind: self._predict(rows, _KINDS[kind]) for kind in wanted}

    def _rows(self, columns: Sequence[pa.Array]) -> Any:
        if not self._texts:
            features = [Feature(name) for name in self._names]
            pairs = list(zip(self._names, columns, strict=True))
            # Column by column: of an array that lies row by row, a pool is made with a thread.
            return self._pool(np.asfortranarray(boosted.matrix_of(pairs, features, np.float32)))
        cells = {
            name: _texts(array) if at in self._texts else _numbers(name, array)
            for at, (name, array) in enumerate(zip(self._names, columns, strict=True))
        }
        return self._pool(pd.DataFrame(cells), cat_features=sorted(self._texts))

    def _pool(self, rows: Any, **options: Any) -> Any:
        # Left to itself, predict makes a pool, and a thread for it.
        return self._catboost.Pool(rows, thread_count=1, **options)

    def _nothing(self) -> Any:
        kinds = [pa.string() if at in self._texts else pa.float64() for at in range(self._width)]
        return self._rows([pa.nulls(1, kind) for kind in kinds])

    @property
    def _width(self) -> int:
        return len(self._names)

    def _predict(self, rows: Any, kind: str | None) -> np.ndarray:
        chosen = {} if kind is None else {"prediction_type": kind}
        given = np.asarray(self._model.predict(rows, thread_count=1, **chosen))
        return given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given


def _numbers(name: str, array: pa.Array) -> np.ndarray:
    matrix = boosted.matrix_of([(name, array)], [Feature(name)], np.float32)
    return np.ascontiguousarray(matrix[:, 0])


def _texts(array: pa.Array) -> list[str]:
    """Categories as texts, which is how CatBoost hashes whole numbers too; null only in trials."""
    return ["" if cell is None else str(cell) for cell in array.to_pylist()]
