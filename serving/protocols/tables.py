"""Plain: an answer as a table: named columns, in the order in which every table answer has them.

Used for CSV, Arrow and Parquet answers and for the results of batch jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.signature.outputs import prediction_column, value_column
from registry.signature.types import Signature
from registry.tabular.write import finite_or_null
from serving.runtimes.base import KINDS, Answer, Block

INPUT_PREFIX = "input."
TRANSFORM_PREFIX = "transform."


def table_answer(answer: Answer, kept_inputs: pa.RecordBatch | None = None) -> pa.RecordBatch:
    """Kept inputs, then predictions, probabilities, decisions and transform columns.

    ``kept_inputs`` has one row per row of the answer. Where an input has the name of an answer
    column, it becomes ``input.<name>``. NaN and Infinity are null; times are in UTC.
    """
    columns = dict(answer_columns(answer))
    if kept_inputs is None:
        return _batch(columns, answer.n_rows)
    names = input_names(kept_inputs.schema.names, columns)
    kept = dict(zip(names, kept_inputs.columns, strict=True))
    return _batch(kept | columns, answer.n_rows)


def answer_columns(answer: Answer) -> Iterator[tuple[str, pa.Array]]:
    """Name and values of each answer column, in order; every name once."""
    seen: set[str] = set()
    for kind in KINDS:
        for block in answer.of(kind):
            for name, array in zip(_block_names(block), block.arrays, strict=True):
                # An object that only transforms gives the same columns as prediction.
                free = name if name not in seen else f"{TRANSFORM_PREFIX}{name}"
                seen.add(free)
                yield free, presentable(array)


def input_names(inputs: Sequence[str], answers: Collection[str]) -> list[str]:
    """The names of the kept inputs beside these answer columns."""
    taken = set(answers) | (set(inputs) - set(answers))
    names = []
    for name in inputs:
        free = name
        if name in answers:
            while free in taken:
                free = INPUT_PREFIX + free
            taken.add(free)
        names.append(free)
    return names


def presentable(array: pa.Array) -> pa.Array:
    """The values as an answer may show them: no NaN or Infinity, times in UTC microseconds."""
    if pa.types.is_timestamp(array.type):
        # A model that knows no zones means UTC, as its inputs do.
        known = array if array.type.tz else pc.assume_timezone(array, "UTC")
        return known.cast(pa.timestamp("us", "UTC"), safe=False)
    return finite_or_null(array)


def empty_table(signature: Signature) -> pa.RecordBatch:
    """The default table answer without a row."""
    schema = pa.schema([pa.field(c.name, c.arrow) for c in signature.outputs])
    return pa.RecordBatch.from_pylist([], schema=schema)


def spread(
    table: pa.RecordBatch, row_numbers: np.ndarray[tuple[int], np.dtype[np.int64]], n_rows: int
) -> pa.RecordBatch:
    """The rows at their places among ``n_rows``, null in between."""
    places = np.full(n_rows, -1, dtype=np.int64)
    places[row_numbers] = np.arange(len(row_numbers))
    return table.take(pa.array(places, mask=places < 0))


def _block_names(block: Block) -> list[str]:
    if block.kind == "prediction":
        return [prediction_column(block.output)]
    if block.kind == "transform":
        return [str(label) for label in block.labels or ()]
    prefix = "probability" if block.kind == "probabilities" else "decision"
    if block.labels is None:
        return [prefix if block.output is None else f"{prefix}_{block.output}"]
    return [value_column(prefix, block.output, label) for label in block.labels]


def _batch(columns: dict[str, pa.Array], n_rows: int) -> pa.RecordBatch:
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * n_rows, pa.struct([])))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
