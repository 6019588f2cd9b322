"""Runs a compiled graph beside the original and tells the largest difference, for converter tests.

A small runner of its own: the graph is tried as the layout describes it, without the service.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa

from registry.signature.types import Column, Signature
from serving.runtimes.base import available_outputs
from serving.runtimes.compiled.convert import compile_graph
from serving.runtimes.compiled.graph_check import check_graph
from serving.runtimes.sklearn import SklearnModel

RELATIVE, ABSOLUTE = 1e-9, 1e-12
# So many of the refused rows are shown to the original.
REFUSALS = 5
_KEYS = {"double": "float64", "float": "float32", "bool": "boolean", "large_string": "string"}


@dataclass(frozen=True)
class Compared:
    """``worst`` is the largest difference, relative to max(1, the value); ``refused`` rows."""

    rows: int
    worst: float
    refused: int


class Graph:
    """One compiled graph in a session of one thread."""

    def __init__(self, content: bytes, signature: Signature) -> None:
        check_graph(content, signature)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.layout = json.loads(metadata["modelyard.layout"])
        self.signature = signature
        self.wanted = {given.name for given in self.session.get_inputs()}

    def feeds(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        """The graph's inputs for a batch of the signature."""
        if self.layout["inputs"] == "matrix":
            if self.signature.inputs[0].shape is not None:
                shape = self.signature.inputs[0].shape
                cells = np.array(batch.column(0).to_pylist(), np.float64)
                return {"x": cells.reshape(batch.num_rows, *shape)}
            return {"x": np.column_stack([as_double(array) for array in batch.columns])}
        pairs = list(zip(self.signature.inputs, batch.columns, strict=True))
        texts = [array for column, array in pairs if column.type == "string"]
        numbers = [as_double(array) for column, array in pairs if column.type != "string"]
        cells = [[text or "" for text in array.to_pylist()] for array in texts]
        found = {
            "x": np.column_stack(numbers) if numbers else None,
            "s": np.array(cells, object).T,
            "n": np.column_stack([np.asarray(array.is_null()) for array in texts]),
        }
        return {name: found[name] for name in self.wanted}

    def answer(self, batch: pa.RecordBatch) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """The columns of each block in layout order, and which rows are refused."""
        names = [output.name for output in self.session.get_outputs()]
        made = dict(zip(names, self.session.run(names, self.feeds(batch)), strict=True))
        refused = self.layout["refused"]
        rows = made[refused] if refused else np.zeros(batch.num_rows, bool)
        return [
            block_columns(block, made[block["tensor"]]) for block in self.layout["blocks"]
        ], rows


def as_double(array: pa.Array) -> np.ndarray:
    return np.array(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def block_columns(block: dict[str, Any], tensor: np.ndarray) -> list[np.ndarray]:
    if block["classes"] is not None:
        return [np.array(block["classes"], object)[tensor]]
    return [tensor] if block["labels"] is None else list(tensor.T)


def signature_of(model: SklearnModel, frame: pd.DataFrame | pa.Table) -> Signature:
    """Columns as the frame has them; nullable where it has a missing value."""
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
    columns = []
    for field, array in zip(table.schema, table.columns, strict=True):
        key = _KEYS.get(str(field.type), str(field.type))
        nullable = bool(array.null_count)
        if pa.types.is_floating(field.type):
            nullable = nullable or bool(np.isnan(np.asarray(array, np.float64)).any())
        columns.append(Column(field.name, key, nullable=nullable))
    return Signature(tuple(columns))


def batch_of(signature: Signature, frame: pd.DataFrame | pa.Table) -> pa.RecordBatch:
    """The frame's rows as a batch of the signature; NaN is null."""
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
    arrays = []
    for column in signature.inputs:
        array = table.column(column.name).combine_chunks()
        if pa.types.is_floating(array.type):
            array = pa.array(array.to_pylist(), column.arrow, from_pandas=True)
        arrays.append(array.cast(column.arrow))
    return pa.RecordBatch.from_arrays(arrays, schema=signature.input_schema())


def compare(estimator: Any, frame: pd.DataFrame) -> Compared:
    """Compile, and answer the frame's rows both ways. AssertionError where they differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SklearnModel(estimator)
        signature = signature_of(model, frame)
        graph = Graph(compile_graph(model, signature), signature)
        return compared(model, graph, batch_of(signature, frame))


def compare_batch(estimator: Any, batch: pa.RecordBatch) -> Compared:
    """The same for a batch whose schema says what is nullable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SklearnModel(estimator)
        signature = Signature(tuple(column_of(field, batch) for field in batch.schema))
        graph = Graph(compile_graph(model, signature), signature)
        return compared(model, graph, batch)


def column_of(field: pa.Field, batch: pa.RecordBatch) -> Column:
    """A signature's column; a list is a tensor of the shape that its first row has."""
    kind, shape = field.type, []
    value = batch.column(field.name)[0].as_py() if batch.num_rows else None
    while pa.types.is_nested(kind):
        shape.append(len(value))
        value, kind = value[0], kind.value_type
    key = "datetime" if pa.types.is_timestamp(kind) else _KEYS.get(str(kind), str(kind))
    return Column(field.name, key, nullable=field.nullable, shape=tuple(shape) or None)


def compared(model: SklearnModel, graph: Graph, batch: pa.RecordBatch) -> Compared:
    """The same for a batch. Rows that the graph refuses must make the original raise."""
    answered, refused = graph.answer(batch)
    for at in np.flatnonzero(refused)[:REFUSALS]:
        assert not answers(model, batch.slice(at, 1)), f"row {at} is refused and has an answer"
    good = batch.filter(pa.array(~refused))
    if not good.num_rows:
        return Compared(batch.num_rows, 0.0, int(refused.sum()))
    expected = model.score(good, available_outputs(model.facts()), {})
    worst = 0.0
    assert len(answered) == len(expected.blocks)
    pairs = zip(graph.layout["blocks"], answered, expected.blocks, strict=True)
    for told, columns, block in pairs:
        assert (told["kind"], told["output"]) == (block.kind, block.output)
        assert told["labels"] == (None if block.labels is None else list(block.labels))
        assert len(columns) == len(block.arrays)
        for mine, theirs in zip(columns, block.arrays, strict=True):
            worst = max(worst, difference(mine[~refused], theirs, told["kind"]))
    return Compared(batch.num_rows, worst, int(refused.sum()))


def answers(model: SklearnModel, batch: pa.RecordBatch) -> bool:
    """Whether the original answers at all."""
    try:
        model.score(batch, available_outputs(model.facts()), {})
    except Exception:
        return False
    return True


def difference(mine: np.ndarray, theirs: pa.Array, what: str) -> float:
    """The largest difference relative to max(1, the value); labels must be equal."""
    if not pa.types.is_floating(theirs.type):
        assert mine.tolist() == theirs.to_pylist(), f"{what}: the labels differ"
        return 0.0
    expected = np.array(theirs.to_numpy(zero_copy_only=False), np.float64)
    mine = mine.astype(np.float64)
    same = (mine == expected) | (np.isnan(mine) & np.isnan(expected))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(mine - expected)
        assert (apart[~same] <= RELATIVE * np.abs(expected[~same]) + ABSOLUTE).all(), (
            f"{what}: {np.nanmax(apart[~same])} apart"
        )
        return float(np.nanmax(apart[~same] / np.maximum(np.abs(expected[~same]), 1.0)))
