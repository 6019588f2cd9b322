"""Turns what an estimator returns into the blocks of an Answer, without changing a bit of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.runtimes.arrays import WrongAnswerCount, columns_of, to_arrow
from serving.runtimes.base import Block, Label


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
