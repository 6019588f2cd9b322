"""An ONNX graph that answers RecordBatches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.facts import ColumnHint, InputForm, ModelFacts, OutputFacts
from serving.runtimes import arrays
from serving.runtimes.base import Answer, Block, Label, asked_kinds
from serving.runtimes.onnx.graph import (
    ELEMENTS,
    GraphInput,
    label_of_column,
    read_input,
    read_outputs,
)


class OnnxModel:
    """A session, its inputs as columns and its outputs by role."""

    def __init__(
        self, session: onnxruntime.InferenceSession, classes: Sequence[tuple[Label, ...]]
    ) -> None:
        self._session = session
        self._inputs = [read_input(declared) for declared in session.get_inputs()]
        self._outputs = read_outputs(session.get_outputs())
        self._all_classes = classes
        self._form = self._input_form()
        self._facts = ModelFacts(
            estimator="onnx." + (session.get_modelmeta().graph_name or "graph")[:100],
            libraries={"onnxruntime": onnxruntime.__version__},
            input_form=self._form,
            feature_names=None if self._form == "matrix" else tuple(i.name for i in self._inputs),
            n_features=self._n_features(),
            columns=self._hints(),
            methods=self._methods(),
            numeric_only=all(i.element not in ("string", "bool") for i in self._inputs),
            types_declared=True,
            tensor_shape=self._inputs[0].row_shape if self._form == "tensor" else None,
        )
        self._facts = replace(self._facts, outputs=self._output_facts())

    def facts(self) -> ModelFacts:
        """What the graph declares."""
        return self._facts

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer every row with what onnxruntime gives for it; float32 widens exactly."""
        wanted = asked_kinds(self._facts, outputs, params)
        # Some operators refuse an empty batch: then a row of zeros is answered and left out.
        n_rows = max(batch.num_rows, 1)
        feeds = self._feeds(batch) if batch.num_rows else self._row_of_zeros()
        returned = self._run(feeds)
        blocks: list[Block] = []
        for kind in wanted:
            blocks += self._blocks(kind, returned, n_rows)
        answer = Answer(n_rows, tuple(blocks))
        return answer if batch.num_rows else answer.without_rows()

    def _row_of_zeros(self) -> dict[str, np.ndarray]:
        return {i.name: _zeros(i) for i in self._inputs}

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, Any]:
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, feeds), strict=True))

    # --- what it is -------------------------------------------------------------------------

    def _input_form(self) -> InputForm:
        if len(self._inputs) > 1:
            return "frame"
        row = self._inputs[0].row_shape
        if len(row) > 1:
            return "tensor"
        return "matrix" if len(row) == 1 else "frame"

    def _n_features(self) -> int | None:
        if self._form != "matrix":
            return len(self._inputs)
        width = self._inputs[0].row_shape[0]
        return width if width > 0 else None

    def _hints(self) -> dict[str, ColumnHint]:
        if self._form == "matrix":
            width = self._n_features() or 0
            return {f"x{i}": ColumnHint(type=self._inputs[0].type) for i in range(width)}
        return {i.name: ColumnHint(type=i.type, shape=i.row_shape or None) for i in self._inputs}

    def _methods(self) -> tuple[str, ...]:
        found = self._outputs
        has = {
            "predict": found.label is not None or bool(found.values),
            "predict_proba": bool(
                found.maps or found.matrix or found.sequence or found.class_columns
            ),
            "decision_function": found.scores is not None,
        }
        return tuple(method for method, there in has.items() if there)

    def _output_facts(self) -> tuple[OutputFacts, ...]:
        """From the answer to a row of zeros, because declared shapes are often not the real ones;
        one value of the declared type where that row is refused."""
        try:
            returned = self._run(self._row_of_zeros())
            columns = self._prediction_columns(returned, 1)
        except Exception:  # the row is a guess: what refuses it may still take real rows
            columns = [(None, pa.array([0.0]))]
            returned = {}
        classes = self._classes_by_output(returned, len(columns))
        return tuple(
            OutputFacts(name, arrays.dtype_key(array), known)
            for (name, array), known in zip(columns, classes, strict=True)
        )

    def _classes_by_output(
        self, returned: dict[str, Any], count: int
    ) -> list[tuple[Label, ...] | None]:
        if "predict_proba" not in self._facts.methods or not returned:
            return [None] * count
        blocks = self._probability_blocks(returned, 1)
        if len(blocks) != count:
            return [None] * count
        return [block.labels for block in blocks]

    # --- a batch in -------------------------------------------------------------------------

    def _feeds(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        if self._form == "matrix":
            return {self._inputs[0].name: self._matrix(batch)}
        lacking = [i.name for i in self._inputs if i.name not in batch.schema.names]
        if lacking:
            raise InvalidField(f"The model takes the input {lacking[0]!r}, which is absent.")
        return {i.name: _column(batch, i) for i in self._inputs}

    def _matrix(self, batch: pa.RecordBatch) -> np.ndarray:
        """Shape (n_rows, n_features) out of one column each, or of one tensor column."""
        only = self._inputs[0]
        if batch.num_columns == 1 and pa.types.is_nested(batch.schema.field(0).type):
            tensor = arrays.tensor_of(batch.column(0), batch.schema.field(0))
            return tensor.reshape(batch.num_rows, -1).astype(ELEMENTS[only.element][1])
        matrix = np.empty((batch.num_rows, batch.num_columns), dtype=ELEMENTS[only.element][1])
        for at, field in enumerate(batch.schema):
            matrix[:, at] = _cells(batch.column(at), field.name, only)
        return matrix

    # --- an answer out ----------------------------------------------------------------------

    def _blocks(self, kind: str, returned: dict[str, Any], n_rows: int) -> list[Block]:
        if kind == "prediction":
            return [
                Block("prediction", name, None, (array,))
                for name, array in self._prediction_columns(returned, n_rows)
            ]
        if kind == "probabilities":
            return self._probability_blocks(returned, n_rows)
        columns = [arrays.to_arrow(c) for c in arrays.columns_of(self._scores(returned), n_rows)]
        labels = None if len(columns) == 1 else self._classes_for(len(columns))
        return [Block("decision", None, labels, tuple(columns))]

    def _scores(self, returned: dict[str, Any]) -> Any:
        return returned[str(self._outputs.scores)]

    def _prediction_columns(
        self, returned: dict[str, Any], n_rows: int
    ) -> list[tuple[str | None, pa.Array]]:
        """Each output of the prediction with its name, None for a single one."""
        sources = [self._outputs.label] if self._outputs.label else list(self._outputs.values)
        found: list[tuple[str, pa.Array]] = []
        for source in sources:
            value = np.asarray(returned[str(source)])
            value = value.reshape(n_rows, -1) if value.ndim > 2 else value
            columns = [arrays.to_arrow(c) for c in arrays.columns_of(value, n_rows)]
            own = [str(source)] if len(columns) == 1 else _numbered(str(source), len(columns))
            found += zip(own, columns, strict=True)
        return [(None, found[0][1])] if len(found) == 1 else list(found)

    def _probability_blocks(self, returned: dict[str, Any], n_rows: int) -> list[Block]:
        found = self._outputs
        if found.maps:
            return [_from_maps(returned[found.maps], self._all_classes)]
        if found.matrix:
            return [self._matrix_block(None, returned[found.matrix], n_rows)]
        if found.class_columns:
            labels = tuple(label_of_column(name) for name in found.class_columns)
            columns = tuple(arrays.to_arrow(returned[name]) for name in found.class_columns)
            return [Block("probabilities", None, labels, columns)]
        several = returned[str(found.sequence)]
        names = _numbered(str(found.label), len(several))
        return [
            self._matrix_block(name, one, n_rows) for name, one in zip(names, several, strict=True)
        ]

    def _matrix_block(self, output: str | None, matrix: np.ndarray, n_rows: int) -> Block:
        columns = tuple(arrays.to_arrow(c) for c in arrays.columns_of(matrix, n_rows))
        return Block("probabilities", output, self._classes_for(len(columns)), columns)

    def _classes_for(self, count: int) -> tuple[Label, ...]:
        """The first list of labels in the graph of that length, else 0, 1, ..."""
        found = next((labels for labels in self._all_classes if len(labels) == count), None)
        return found if found is not None else tuple(range(count))


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _from_maps(maps: Sequence[Mapping[Any, float]], known: Sequence[tuple[Label, ...]]) -> Block:
    """ZipMap's list of one map per row as columns."""
    labels = tuple(maps[0]) if maps else (known[0] if known else ())
    columns = tuple(
        arrays.to_arrow(np.array([row[label] for row in maps], dtype=np.float32))
        for label in labels
    )
    return Block("probabilities", None, labels, columns)


def _zeros(declared: GraphInput) -> np.ndarray:
    row = tuple(max(size, 1) for size in declared.row_shape)
    shape = (1, 1) if declared.is_column else (1, *row)
    zeros = np.zeros(shape, dtype=ELEMENTS[declared.element][1])
    if declared.element == "string":
        zeros[:] = ""
    return zeros


def _column(batch: pa.RecordBatch, declared: GraphInput) -> np.ndarray:
    """One input in the shape that it declares."""
    array = batch.column(declared.name)
    field = batch.schema.field(declared.name)
    dtype = ELEMENTS[declared.element][1]
    if pa.types.is_nested(field.type):
        return arrays.tensor_of(array, field).astype(dtype)
    cells = _cells(array, declared.name, declared).astype(dtype, copy=False)
    return cells.reshape(-1, 1) if declared.is_column else cells


def _cells(array: pa.Array, name: str, declared: GraphInput) -> np.ndarray:
    """The values of a column; null is NaN, which only decimals have."""
    if array.null_count and declared.element not in ("float", "double"):
        raise InvalidField(f"The model takes no missing value in the column {name!r}.")
    if array.null_count and not pa.types.is_floating(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(zero_copy_only=False))
