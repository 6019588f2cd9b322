"""Plain: a signature that the client sent, held against the fitted object and its example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from registry.errors import CheckRefused
from registry.signature.dtypes import DTYPES
from registry.signature.facts import ColumnHint, ModelFacts
from registry.signature.inferred import ExampleDiffers, Inferred, Note, check_name, listed
from registry.signature.names import nearest, shown
from registry.signature.outputs import output_columns
from registry.signature.types import Column, Signature
from registry.signature.validate import validate_columns

NUMBER_KINDS = ("integer", "float", "boolean")


class SignatureContradicts(CheckRefused):
    """The declared signature and the fitted object cannot both be right."""

    def __init__(self, message: str, columns: Iterable[str] = ()) -> None:
        super().__init__("signature-contradicts", message, columns=[shown(c) for c in columns])


def check_declared(signature: Signature, facts: ModelFacts, example: pa.Table | None) -> Inferred:
    """The declared signature, its outputs filled in where it names none.

    Raises SignatureContradicts with the names of the columns that contradict the fitted object,
    and ExampleDiffers with the problems of the example rows that do not fit the signature. What
    may be meant so, but is risky, comes back as a note.
    """
    for column in (*signature.inputs, *signature.outputs):
        check_name(column.name)
    notes: list[Note] = []
    _check_names(signature, facts)
    for position, column in enumerate(signature.inputs):
        _check_column(column, _hint(facts, column.name, position), facts, notes)
    outputs = _checked_outputs(signature, facts)
    if example is not None:
        _check_example(signature, example, notes)
    return Inferred(replace(signature, outputs=outputs), tuple(notes))


def _check_names(signature: Signature, facts: ModelFacts) -> None:
    declared = signature.input_names
    if facts.feature_names is None or facts.input_form == "series":
        width = 1 if facts.input_form in ("series", "tensor") else facts.n_features
        if width is not None and len(declared) != width:
            raise SignatureContradicts(
                f"The signature has {len(declared)} inputs; the model takes {width}."
            )
        return
    missing = [name for name in facts.feature_names if name not in declared]
    unknown = [name for name in declared if name not in facts.feature_names]
    if missing:
        text = f"The model was fitted on `{shown(missing[0])}`, which the signature lacks"
        raise SignatureContradicts(f"{text} ({len(missing)} in all).", missing)
    if unknown:
        guess = nearest(unknown[0], facts.feature_names)
        text = f"The model has no input `{shown(unknown[0])}`; the nearest is `{guess}`."
        raise SignatureContradicts(text, unknown)


def _hint(facts: ModelFacts, name: str, position: int) -> ColumnHint:
    fallback = facts.columns.get(f"x{position}") if facts.feature_names is None else None
    return facts.columns.get(name) or fallback or ColumnHint()


def _check_column(column: Column, hint: ColumnHint, facts: ModelFacts, notes: list[Note]) -> None:
    kind = column.dtype.kind
    if hint.type is not None and not _is_same_kind(kind, DTYPES[hint.type].kind):
        raise SignatureContradicts(
            f"`{column.name}` is {column.type} in the signature; the model was fitted on "
            f"{hint.type}.",
            [column.name],
        )
    if facts.refuses_texts and kind not in NUMBER_KINDS:
        raise SignatureContradicts(
            f"`{column.name}` is {column.type} in the signature; the model takes numbers only.",
            [column.name],
        )
    if hint.unknown_raises and hint.categories and column.enum is not None:
        extra = [value for value in column.enum if value not in hint.categories]
        if extra:
            raise SignatureContradicts(
                f"`{column.name}` allows {extra[0]!r}, on which the model would raise.",
                [column.name],
            )
    if column.nullable and column.name in facts.columns and not hint.accepts_missing:
        text = f"`{column.name}` is nullable, but the model may not accept a missing value there."
        notes.append(Note(text, is_warning=True))


def _is_same_kind(declared: str, hinted: str) -> bool:
    numbers = declared in NUMBER_KINDS and hinted in NUMBER_KINDS
    return declared == hinted or numbers


def _checked_outputs(signature: Signature, facts: ModelFacts) -> tuple[Column, ...]:
    """The outputs as the model gives them; declared ones must say the same."""
    given = output_columns(facts)
    if not signature.outputs or not given:
        return signature.outputs or given
    names, declared = [c.name for c in given], [c.name for c in signature.outputs]
    # Naming the predictions alone is enough.
    expected = names[: len(declared)] if len(declared) == len(facts.outputs) else names
    if declared != expected:
        raise SignatureContradicts(
            f"The outputs of the signature are {listed(declared)}; the model gives "
            f"{listed(names)}.",
            [*declared],
        )
    for ours, theirs in zip(given, signature.outputs, strict=False):
        _check_output(ours, theirs)
    return given


def _check_output(ours: Column, theirs: Column) -> None:
    if not _is_same_kind(theirs.dtype.kind, ours.dtype.kind):
        raise SignatureContradicts(
            f"The output `{ours.name}` is {theirs.type} in the signature; the model answers "
            f"{ours.type}.",
            [ours.name],
        )
    if theirs.enum is not None and ours.enum is not None and set(theirs.enum) != set(ours.enum):
        text = f"The output `{ours.name}` has other labels in the signature than in the model."
        raise SignatureContradicts(text, [ours.name])


def _check_example(signature: Signature, example: pa.Table, notes: list[Note]) -> None:
    names = example.column_names
    missing = [n for n in signature.input_names if n not in names]
    required = {column.name for column in signature.inputs if not column.nullable}
    lacking = [name for name in missing if name in required]
    if lacking:
        raise ExampleDiffers(f"The example lacks `{shown(lacking[0])}`.", missing=lacking[:10])
    dropped = [name for name in names if name not in signature.input_set]
    if dropped:
        text = f"Not in the signature and dropped from the example: {listed(dropped)}."
        notes.append(Note(text, is_warning=True))
    taken = [name for name in names if name in signature.input_set]
    checked = validate_columns(signature, {name: example.column(name) for name in taken})
    if checked.problem_count:
        raise CheckRefused(
            "example-does-not-fit",
            f"{len(checked.bad_rows)} of {checked.n_rows} example rows do not fit the signature.",
            checked.problems,
        )
