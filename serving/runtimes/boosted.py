"""What the runtimes of boosted trees share: columns to a matrix, and answers out of one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import CheckRefused, InvalidField
from registry.signature.dtypes import DTYPES
from registry.signature.facts import ColumnHint, InputForm, ModelFacts, OutputFacts
from serving.runtimes import arrays
from serving.runtimes.base import Answer, Block, Label, asked_kinds, require_narrow

CLASSIFIER = ("predict", "predict_proba", "decision_function")


def import_early(name: str) -> None:
    """Import a library where it is installed: a confined child has no files to import it from."""
    with suppress(ImportError):
        importlib.import_module(name)


def library(name: str, package: str) -> ModuleType:
    """The imported library. Raises CheckRefused when the server does not have it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise CheckRefused(
            "runtime-not-installed",
            f"This server runs no {name} models, because the package {package} is not installed."
            " Whoever runs it can add it: pip install -r requirements-extra.txt, then a restart.",
            package=package,
        ) from None


def load_failed(name: str, error: Exception) -> CheckRefused:
    """The refusal of a file that the library does not take."""
    return CheckRefused(
        "load-failed",
        f"{name} does not take the file: {str(error).strip().splitlines()[0][:200]}",
        exception=type(error).__name__,
    )


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the model. ``categories``: its values by code; None for a number."""

    name: str
    categories: tuple[Label, ...] | None = None

    @property
    def type(self) -> str:
        """The dtype key."""
        kinds = {type(value) for value in self.categories or ()}
        if self.categories is None or kinds == {float} or kinds == {int, float}:
            return "float64"
        known = {frozenset({int}): "int64", frozenset({bool}): "boolean"}
        return known.get(frozenset(kinds), "string")


def hints_of(features: Sequence[Feature]) -> dict[str, ColumnHint]:
    """What is known of the columns: numbers or one of the categories; any may be missing."""
    return {
        feature.name: ColumnHint(
            type=feature.type,
            accepts_missing=True,
            categories=feature.categories,
            dtype_category=feature.categories is not None,
        )
        for feature in features
    }


def input_facts(features: Sequence[Feature], *, named: bool) -> dict[str, Any]:
    """The members of ModelFacts that tell of the inputs."""
    require_narrow(len(features))
    form: InputForm = "frame" if named else "matrix"
    has_categories = any(feature.categories is not None for feature in features)
    return {
        "input_form": form,
        "feature_names": tuple(feature.name for feature in features) if named else None,
        "n_features": len(features),
        "columns": hints_of(features),
        "numeric_only": not has_categories,
        "types_declared": has_categories,
    }


def in_order(batch: pa.RecordBatch, facts: ModelFacts) -> list[tuple[str, pa.Array]]:
    """The columns as the model takes them: by name where it knows names. Raises InvalidField."""
    if facts.feature_names is None:
        if batch.num_columns != facts.n_features:
            raise InvalidField(
                f"The model takes {facts.n_features} columns, {batch.num_columns} came."
            )
        return list(zip(batch.schema.names, batch.columns, strict=True))
    lacking = [name for name in facts.feature_names if name not in batch.schema.names]
    if lacking:
        raise InvalidField(f"The model takes the input {lacking[0]!r}, which is absent.")
    return [(name, batch.column(name)) for name in facts.feature_names]


def matrix_of(
    columns: Sequence[tuple[str, pa.Array]], features: Sequence[Feature], dtype: Any
) -> np.ndarray:
    """Shape (n_rows, n_features): numbers, codes of categories, NaN for what is missing.

    A value outside the known categories is missing, as LightGBM and pandas have it.
    """
    n_rows = len(columns[0][1]) if columns else 0
    matrix = np.empty((n_rows, len(columns)), dtype=dtype)
    for at, ((_, array), feature) in enumerate(zip(columns, features, strict=True)):
        matrix[:, at] = _cells(array, feature)
    return matrix


def _cells(array: pa.Array, feature: Feature) -> np.ndarray:
    if feature.categories is not None:
        known = pa.array(feature.categories, DTYPES[feature.type].arrow)
        if array.type != known.type:
            array = array.cast(known.type)
        array = pc.index_in(array, value_set=known)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if array.null_count and not pa.types.is_floating(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def one_row_of_nothing(batch: pa.RecordBatch) -> pa.RecordBatch:
    """One row of nulls in the same columns: what an empty batch is answered with, less its row."""
    return pa.RecordBatch.from_arrays(
        [pa.nulls(1, field.type) for field in batch.schema], names=batch.schema.names
    )


class BoostedModel:
    """A model whose answers come as arrays: shape (n_rows,) or (n_rows, n_outputs or classes)."""

    _facts: ModelFacts
    # No column is handed over in a way of its own, as some are to scikit-learn.
    plans: Mapping[str, Any] = MappingProxyType({})

    def facts(self) -> ModelFacts:
        """What the file says of the model."""
        return self._facts

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer every row with what the library gives for it; float32 widens exactly."""
        wanted = asked_kinds(self._facts, outputs, params)
        rows = batch if batch.num_rows else one_row_of_nothing(batch)
        returned = self.answers(in_order(rows, self._facts), wanted)
        blocks = [block for kind in wanted for block in self._blocks(kind, returned[kind], rows)]
        answer = Answer(rows.num_rows, tuple(blocks))
        return answer if batch.num_rows else answer.without_rows()

    def answers(
        self, columns: Sequence[tuple[str, pa.Array]], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """The library's answer of each kind; probabilities have shape (n_rows, n_classes), with
        several outputs (n_rows, n_outputs): those of label 1."""
        raise NotImplementedError

    def _blocks(self, kind: Any, returned: np.ndarray, rows: pa.RecordBatch) -> list[Block]:
        outputs = self._facts.outputs
        columns = [arrays.to_arrow(c) for c in arrays.columns_of(returned, rows.num_rows)]
        if kind == "prediction":
            pairs = zip(outputs, columns, strict=True)
            return [Block(kind, output.name, None, (column,)) for output, column in pairs]
        if len(outputs) > 1:
            return self._of_several(kind, returned, outputs)
        if len(columns) == 1:
            return [Block(kind, None, None, (columns[0],))]
        return [Block(kind, None, outputs[0].classes, tuple(columns))]

    def _of_several(
        self, kind: Any, returned: np.ndarray, outputs: Sequence[OutputFacts]
    ) -> list[Block]:
        if kind == "decision":
            pairs = zip(outputs, returned.T, strict=True)
            return [Block(kind, out.name, None, (arrays.to_arrow(c),)) for out, c in pairs]
        return [
            Block(kind, out.name, out.classes, (arrays.to_arrow(1 - c), arrays.to_arrow(c)))
            for out, c in zip(outputs, returned.T, strict=True)
        ]


def outputs_of(count: int, kind: str, classes: tuple[Label, ...] | None) -> tuple[OutputFacts, ...]:
    """``count`` outputs of one dtype key and the same labels."""
    return tuple(OutputFacts(name, kind, classes) for name in arrays.output_names(count))
