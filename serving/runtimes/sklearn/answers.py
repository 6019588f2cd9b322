"""Turns what an estimator returns into the blocks of an Answer, without changing a bit of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from registry.errors import InvalidField
from serving.runtimes.base import MAX_DENSE_COLUMNS, Block, Label, python_label


class WrongAnswerCount(ValueError):
    """The model gave another number of answers than it was given rows."""


class TooWide(InvalidField):
    """A sparse answer with more columns than are made dense."""

    def __init__(self, width: int) -> None:
        super().__init__(
            f"The model answers with {width} sparse columns and at most {MAX_DENSE_COLUMNS} are"
            " made dense. Put SelectKBest or TruncatedSVD behind the last step.",
            pointer="/outputs",
        )


def prediction_blocks(returned: Any, n_rows: int, names: Sequence[str | None]) -> tuple[Block, ...]:
    """One block per output of ``predict``: shape (n_rows,), (n_rows, 1) or (n_rows, n_outputs)."""
    columns = columns_of(returned, n_rows)
    if len(columns) != len(names):
        raise WrongAnswerCount(
            f"predict gave {len(columns)} outputs where the model has {len(names)}"
        )
    return tuple(
        Block("prediction", name, None, (to_arrow(column),))
        for name, column in zip(names, columns, strict=True)
    )


def probability_blocks(
    returned: Any,
    n_rows: int,
    names: Sequence[str | None],
    classes: Sequence[tuple[Label, ...]],
) -> tuple[Block, ...]:
    """One block per output of ``predict_proba``.

    A list holds one matrix (n_rows, n_classes) per output. One matrix belongs to the only output,
    or, for a multi-label model, has one column per output: the probability of its second label.
    """
    if isinstance(returned, list):
        pairs = zip(names, classes, returned, strict=True)
        return tuple(_probabilities(name, known, one, n_rows) for name, known, one in pairs)
    if len(names) == 1:
        return (_probabilities(names[0], classes[0], returned, n_rows),)
    columns = columns_of(returned, n_rows)
    return tuple(
        Block("probabilities", name, (known[-1],), (to_arrow(column),))
        for name, known, column in zip(names, classes, columns, strict=True)
    )


def _probabilities(
    name: str | None, labels: tuple[Label, ...], returned: Any, n_rows: int
) -> Block:
    columns = columns_of(returned, n_rows)
    if not labels:
        labels = tuple(range(len(columns)))
    return Block("probabilities", name, labels, tuple(to_arrow(column) for column in columns))


def decision_blocks(
    returned: Any,
    n_rows: int,
    names: Sequence[str | None],
    classes: Sequence[tuple[Label, ...]],
) -> tuple[Block, ...]:
    """``decision_function`` or ``score_samples``: shape (n_rows,) or one column per class.

    With several outputs there is one column per output. A column per pair of classes (SVC with
    ``decision_function_shape="ovo"``) is named ``a vs b``.
    """
    columns = [to_arrow(column) for column in columns_of(returned, n_rows)]
    if len(names) > 1:
        return tuple(
            Block("decision", name, None, (column,))
            for name, column in zip(names, columns, strict=True)
        )
    if len(columns) == 1:
        return (Block("decision", None, None, (columns[0],)),)
    known = classes[0] if classes else ()
    labels = known if len(known) == len(columns) else _pairs(known)
    if len(labels) != len(columns):
        labels = tuple(range(len(columns)))
    return (Block("decision", None, labels, tuple(columns)),)


def _pairs(labels: Sequence[Label]) -> tuple[Label, ...]:
    return tuple(f"{a} vs {b}" for i, a in enumerate(labels) for b in labels[i + 1 :])


def transform_block(returned: Any, n_rows: int, names: Sequence[str] | None, prefix: str) -> Block:
    """The columns of ``transform`` under their names, or ``prefix0``, ``prefix1``, ..."""
    columns = [to_arrow(column) for column in columns_of(returned, n_rows)]
    if names is None or len(names) != len(columns):
        names = [f"{prefix}{i}" for i in range(len(columns))]
    return Block("transform", None, tuple(names), tuple(columns))


def columns_of(returned: Any, n_rows: int) -> list[np.ndarray]:
    """The columns of a 1-D or 2-D answer (array, sparse matrix or frame), each of ``n_rows``.

    Raises WrongAnswerCount, and TooWide for a sparse matrix of more than 4,096 columns.
    """
    if sparse.issparse(returned):
        if returned.shape[1] > MAX_DENSE_COLUMNS:
            raise TooWide(returned.shape[1])
        returned = returned.toarray()
    if hasattr(returned, "iloc") and getattr(returned, "ndim", 1) == 2:
        columns = [returned.iloc[:, i].to_numpy() for i in range(returned.shape[1])]
    else:
        array = np.asarray(returned)
        if array.ndim not in (1, 2):
            raise WrongAnswerCount(f"the model answered with an array of shape {array.shape}")
        columns = [array] if array.ndim == 1 else list(array.T)
    for column in columns[:1]:
        if len(column) != n_rows:
            raise WrongAnswerCount(f"the model gave {len(column)} answers for {n_rows} rows")
    return columns


def to_arrow(column: np.ndarray) -> pa.Array:
    """A column as boolean, int64 (uint64 where needed), float64, string or timestamp.

    The narrower types widen exactly. In object columns None and NaN are null unless the column
    is one of numbers.
    """
    kind = column.dtype.kind
    if kind == "b":
        return pa.array(column)
    if kind == "i":
        return pa.array(column.astype(np.int64, copy=False))
    if kind == "u":
        wide = np.uint64 if column.dtype.itemsize == 8 else np.int64
        return pa.array(column.astype(wide, copy=False))
    if kind == "f":
        return pa.array(column.astype(np.float64, copy=False))
    if kind == "U":
        return pa.array(column.tolist(), type=pa.string())
    if kind == "M":
        return pa.array(column.astype("datetime64[us]"), type=pa.timestamp("us", "UTC"))
    if kind == "O":
        return _objects_to_arrow(column)
    raise TypeError(f"an answer of type {column.dtype} cannot be written")


def _objects_to_arrow(column: np.ndarray) -> pa.Array:
    cells = [None if cell is None else _plain(cell) for cell in column.tolist()]
    types = {type(cell) for cell in cells if cell is not None}
    if types == {float} or types == {float, int}:
        return pa.array([None if c is None else float(c) for c in cells], type=pa.float64())
    cells = [None if isinstance(cell, float) and cell != cell else cell for cell in cells]
    types -= {float}
    for plain, arrow in ((bool, pa.bool_()), (int, pa.int64()), (str, pa.string())):
        if types == {plain}:
            return pa.array(cells, type=arrow)
    if not types:
        return pa.array(cells, type=pa.string())
    named = ", ".join(sorted(t.__name__ for t in types))
    raise TypeError(f"an answer that mixes {named} cannot be written")


def _plain(cell: Any) -> Label:
    return python_label(cell)
