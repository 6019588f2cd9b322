"""Plain: the signature of a fitted object, out of what it says and what its example shows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from registry.signature.cells import CellRefused, read_scalar
from registry.signature.declared import check_declared
from registry.signature.dtypes import DTYPES
from registry.signature.example import ExampleColumn, example_columns
from registry.signature.facts import ColumnHint, ModelFacts
from registry.signature.inferred import (
    NAMES_SHOWN,
    ExampleDiffers,
    ExampleNeeded,
    Inferred,
    Note,
    check_name,
    listed,
)
from registry.signature.names import nearest, shown
from registry.signature.outputs import output_columns
from registry.signature.types import Column, Signature

__all__ = ["Inferred", "Note", "check_declared", "infer"]

TENSOR_NAME = "x"


def infer(facts: ModelFacts, example: pa.Table | None, example_typed: bool) -> Inferred:
    """The signature that these facts and this example ask for.

    ``example_typed``: the example's own types count (Parquet); else they were guessed from text,
    all rows of it. Raises ExampleNeeded and ExampleDiffers, or CheckRefused with another reason
    when a column cannot be described.
    """
    notes: list[Note] = []
    if example is None:
        inputs = _inputs_alone(facts)
    else:
        shown_columns = example_columns(example, typed=example_typed)
        names, dropped = choose_columns(facts, list(shown_columns))
        if dropped:
            text = f"Not used by the model and dropped from the example: {listed(dropped)}."
            notes.append(Note(text, is_warning=True))
        inputs = tuple(
            _input(shown_columns[name], _hint(facts, name, position), facts, notes)
            for position, name in enumerate(names)
        )
    for column in inputs:
        check_name(column.name)
    return Inferred(Signature(inputs, output_columns(facts)), tuple(notes))


def choose_columns(facts: ModelFacts, present: Sequence[str]) -> tuple[list[str], list[str]]:
    """The example's columns that the model takes, in its order, and those that it does not.

    Raises ExampleDiffers when columns are missing or it cannot be told which ones are meant.
    """
    if facts.feature_names is not None and facts.input_form != "series":
        wanted = list(facts.feature_names)
    else:
        wanted = _unnamed(facts, present)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise ExampleDiffers(
            f"The example lacks columns that the model was fitted on: {listed(missing)}. "
            f"Nearest to `{shown(missing[0])}` is `{nearest(missing[0], present)}`.",
            missing=missing[:NAMES_SHOWN],
        )
    return wanted, [name for name in present if name not in wanted]


def _inputs_alone(facts: ModelFacts) -> tuple[Column, ...]:
    """The inputs without an example: only what is certain."""
    names = _names_alone(facts)
    hints = [_hint(facts, name, position) for position, name in enumerate(names)]
    if facts.types_declared and all(hint.type for hint in hints):
        return tuple(
            _with_enum(Column(name, str(hint.type), hint.accepts_missing, shape=hint.shape), hint)
            for name, hint in zip(names, hints, strict=True)
        )
    if not facts.numeric_only:
        raise ExampleNeeded(
            f"{facts.estimator} does not take numbers only, so the types of its inputs cannot be "
            "told from the model alone. Send an example file of some rows (CSV, JSON or Parquet)."
        )
    if facts.input_form == "tensor":
        return (Column(TENSOR_NAME, "float64", shape=facts.tensor_shape),)
    return tuple(
        _with_enum(Column(name, "float64", hint.accepts_missing), hint)
        for name, hint in zip(names, hints, strict=True)
    )


def _names_alone(facts: ModelFacts) -> Sequence[str]:
    if facts.feature_names is not None:
        return facts.feature_names
    if facts.n_features is not None:
        return [f"x{index}" for index in range(facts.n_features)]
    if facts.input_form == "tensor":
        return [TENSOR_NAME]
    raise ExampleNeeded(
        f"{facts.estimator} does not tell how many inputs it takes. "
        "Send an example file of some rows (CSV, JSON or Parquet)."
    )


def _unnamed(facts: ModelFacts, present: Sequence[str]) -> list[str]:
    """Which columns a model means that knows no names: as many as it takes, in their order."""
    # pandas writes an index as a column of this name.
    columns = [name for name in present if not name.startswith("__index_level_")]
    width = 1 if facts.input_form == "series" else facts.n_features
    numbered = [f"x{index}" for index in range(width or 0)]
    if width is None or len(columns) == width or facts.input_form == "tensor":
        return columns
    if set(numbered) <= set(columns):
        return numbered
    hinted = [name for name in facts.columns if name in columns]
    if facts.input_form == "series" and len(hinted) == 1:
        return hinted
    noun = "column" if width == 1 else "columns"
    raise ExampleDiffers(
        f"The model takes {width} {noun} and knows no names; the example has {len(columns)}: "
        f"{listed(columns)}. Send exactly the columns that it was fitted on, in their order.",
        expected=width,
        received=len(columns),
    )


def _hint(facts: ModelFacts, name: str, position: int) -> ColumnHint:
    if name in facts.columns:
        return facts.columns[name]
    # Without names at fit, the runtime calls the columns x0, x1, ...
    by_position = f"x{position}"
    known = facts.feature_names is None and by_position in facts.columns
    return facts.columns[by_position] if known else ColumnHint()


def _input(
    example: ExampleColumn, hint: ColumnHint, facts: ModelFacts, notes: list[Note]
) -> Column:
    key = _type_of(example, hint, facts)
    nullable = hint.accepts_missing or example.has_nulls
    if key == "int64" and example.is_guessed and hint.type is None:
        notes.append(
            Note(
                f"`{example.name}` is int64, as all its example values are whole; to take "
                "fractions, send a signature that says float64, or a Parquet example."
            )
        )
    column = Column(example.name, key, nullable, shape=example.shape or hint.shape)
    return _with_enum(column, hint)


def _type_of(example: ExampleColumn, hint: ColumnHint, facts: ModelFacts) -> str:
    """The dtype key: the example's, unless the fitted object knows better."""
    if example.type is None:
        known = hint.type or ("float64" if facts.numeric_only else None)
        if known is None:
            raise ExampleNeeded(
                f"`{example.name}` has no value in any example row, so its type cannot be told. "
                "Send an example with a value in it.",
                column=example.name,
            )
        return known
    if hint.type is None:
        return _checked_numeric(example, facts)
    return hint.type if facts.types_declared else _reconciled(example, hint.type)


def _checked_numeric(example: ExampleColumn, facts: ModelFacts) -> str:
    key = str(example.type)
    if facts.refuses_texts and DTYPES[key].kind not in ("integer", "float", "boolean"):
        raise ExampleDiffers(
            f"`{example.name}` is {key} in the example; the model takes numbers only.",
            column=example.name,
        )
    return key


def _reconciled(example: ExampleColumn, hinted: str) -> str:
    """The example's type where it is of the hinted kind; a guess gives way to the hint."""
    ours, theirs = DTYPES[str(example.type)], DTYPES[hinted]
    if ours.kind == theirs.kind or (ours.is_number and theirs.is_number):
        return ours.key
    # In a CSV texts of digits look like numbers, and truth values like numbers or texts.
    if example.is_guessed and theirs.kind in ("string", "boolean"):
        return hinted
    if theirs.kind == "boolean" and ours.is_number:
        return ours.key
    raise ExampleDiffers(
        f"`{example.name}` is {ours.key} in the example; the model was fitted on {hinted}.",
        column=example.name,
    )


def _with_enum(column: Column, hint: ColumnHint) -> Column:
    """The column with the known categories where any other value would make the model raise."""
    is_closed = hint.unknown_raises or hint.dtype_category
    if not is_closed or not hint.categories or column.dtype.kind == "boolean" or column.shape:
        return column
    try:
        enum = tuple(read_scalar(value, column.dtype) for value in hint.categories)
    except CellRefused as refused:
        raise ExampleDiffers(
            f"`{column.name}` is {column.type} in the example; the model knows categories that "
            f"are none ({refused.code}).",
            column=column.name,
        ) from None
    return Column(column.name, column.type, column.nullable, enum=tuple(dict.fromkeys(enum)))
