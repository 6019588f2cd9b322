"""Lean columns: cells as Python values, with the verdicts and the Arrow of the validator."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from registry.signature.lean import FEW_CELLS, MAX_WIDTH, LeanColumns, lean_types
from registry.signature.types import Column, Signature, shared
from registry.signature.validate import Validated, validate_columns, validate_rows

SIGNATURE = Signature(
    (
        Column("f", "float64", nullable=True, min=-1.0),
        Column("single", "float32", max=100.0),
        Column("i", "int16", enum=(1, 2, 30_000)),
        Column("big", "uint64"),
        Column("s", "string", nullable=True),
        Column("at", "datetime"),
    )
)
ROW: list[Any] = [0.5, 0.1, 2, 2**64 - 1, "é:", "2026-01-31T12:00:00Z"]
MANY = FEW_CELLS + 3


def columns(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(cells) for cells in zip(*rows, strict=True)]


def converted(rows: list[list[Any]], *, roomy: bool = False) -> LeanColumns | None:
    types = lean_types(SIGNATURE, roomy=roomy)
    assert types is not None
    return types.converted(columns(rows))


@pytest.mark.parametrize("times", [1, MANY])
def test_good_cells_become_the_batch_of_the_validator(times: int) -> None:
    rows = [ROW, [None, 3, 1, 0, None, "2026-01-31 12:00:00+01:00"]] * times

    lean = converted(rows)

    assert lean is not None
    assert lean.to_batch() == validate_rows(SIGNATURE, rows).batch
    assert lean.to_batch().schema == SIGNATURE.input_schema()


@pytest.mark.parametrize("times", [1, MANY])
@pytest.mark.parametrize(
    ("position", "cell"),
    [
        (0, -1.5),
        (0, "1"),
        (0, True),
        (0, math.inf),
        (0, 2**53 + 1),
        (1, None),
        (1, 100.5),
        (1, 1e39),
        (2, 3),
        (2, 1.5),
        (3, -1),
        (3, 2**64),
        (4, 5),
        (5, "2026-01-31"),
        (5, None),
    ],
)
def test_a_cell_that_is_refused_or_in_doubt_leaves_all_to_the_validator(
    position: int, cell: Any, times: int
) -> None:
    bad = ROW.copy()
    bad[position] = cell

    assert converted([ROW] * times + [bad]) is None
    assert converted([ROW] * times + [bad], roomy=True) is None


def test_roomy_types_take_whole_floats_for_integers_and_large_floats() -> None:
    rows = [[1e300, 0.1, 2.0, 3.0, "", "2026-01-31T12:00:00Z"]]

    lean = converted(rows, roomy=True)

    assert converted(rows) is None
    assert lean is not None
    assert lean.to_batch() == validate_rows(SIGNATURE, rows).batch


@pytest.mark.parametrize("times", [1, MANY])
def test_nan_is_never_held_as_a_number(times: int) -> None:
    rows = [ROW, [math.nan, *ROW[1:]]] * times

    lean = converted(rows, roomy=True)

    assert converted(rows) is None
    assert lean is not None
    assert lean.to_batch() == validate_rows(SIGNATURE, rows).batch
    assert lean.to_batch().column("f").null_count == times


def test_columns_of_two_lengths_are_left() -> None:
    types = lean_types(SIGNATURE)
    assert types is not None

    assert types.converted([[1.0], *columns([ROW, ROW])[1:]]) is None


@pytest.mark.parametrize("width", [0, MAX_WIDTH + 1])
def test_a_signature_without_columns_or_with_too_many_has_no_lean_types(width: int) -> None:
    assert lean_types(Signature(tuple(Column(f"x{i}", "float64") for i in range(width)))) is None


def test_validated_rows_become_arrow_when_somebody_asks_and_only_once() -> None:
    lean = converted([ROW] * 3)
    assert lean is not None

    checked = Validated.all_good(lean)

    assert (checked.n_rows, checked.n_good, checked.problem_count) == (3, 3, 0)
    assert checked.row_numbers.tolist() == [0, 1, 2]
    assert checked.bad_rows.tolist() == []
    checked.refuse_bad_rows()
    assert checked.held is lean
    assert isinstance(checked.batch, pa.RecordBatch)
    assert checked.batch is checked.batch
    assert checked.batch.column("at")[0].as_py() == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_what_the_validator_has_judged_holds_its_batch() -> None:
    checked = validate_columns(
        SIGNATURE, dict(zip(SIGNATURE.input_names, columns([ROW]), strict=True))
    )

    assert checked.held is checked.batch
    assert checked.n_good == 1


def test_equal_signatures_have_one_hash_and_share_their_types() -> None:
    again = Signature.from_json(SIGNATURE.to_json())

    assert again == SIGNATURE
    assert hash(again) == hash(SIGNATURE)
    assert lean_types(again) is lean_types(SIGNATURE)
    assert again is not SIGNATURE
    assert shared(again) is shared(SIGNATURE)
