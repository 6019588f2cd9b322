"""A signature as JSON: it reads back equal, and every fault is named by its pointer."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidField
from registry.signature.dtypes import DTYPES
from registry.signature.types import Column, Param, Signature

FULL = {
    "inputs": [
        {"name": "age", "type": "int64", "nullable": True, "min": 0, "max": 120},
        {"name": "sepal length (cm)", "type": "float32", "nullable": False, "max": 0.1},
        {"name": "città", "type": "string", "nullable": False, "enum": ["Roma", ""]},
        {"name": "at", "type": "datetime", "nullable": False, "min": "2026-01-01T00:00:00Z"},
        {"name": "on", "type": "date", "nullable": False, "enum": ["2026-01-31"]},
        {"name": "image", "type": "uint8", "nullable": False, "shape": [28, -1]},
    ],
    "outputs": [{"name": "prediction", "type": "boolean", "nullable": False}],
    "params": [
        {"name": "k", "type": "int32", "default": 3},
        {"name": "as_of", "type": "datetime", "default": None},
    ],
}


def test_the_json_form_reads_back_as_it_was() -> None:
    signature = Signature.from_json(FULL)

    assert signature.to_json() == FULL
    assert Signature.from_json(signature.to_json()) == signature


def test_members_that_may_be_left_out_take_their_defaults() -> None:
    signature = Signature.from_json({"inputs": [{"name": "x", "type": "float64"}]})

    assert signature == Signature((Column("x", "float64"),))
    assert signature.input_schema() == pa.schema([pa.field("x", pa.float64(), nullable=False)])


def test_a_tensor_column_is_a_nested_list_in_arrow() -> None:
    signature = Signature.from_json(FULL)

    assert signature.input_schema().field("image").type == pa.list_(pa.list_(pa.uint8()))


def column(**members: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "a", "type": "int64"} | members]}


FAULTS: list[tuple[Any, str]] = [
    ([], ""),
    ({}, ""),
    ({"inputs": []}, "/inputs"),
    ({"inputs": {}}, "/inputs"),
    ({"inputs": [5]}, "/inputs/0"),
    ({"inputs": [{"name": "a", "type": "int64"}], "output": []}, "/output"),
    ({"inputs": [{"type": "int64"}]}, "/inputs/0/name"),
    (column(name=""), "/inputs/0/name"),
    (column(name='a"b'), "/inputs/0/name"),
    (column(name="a'b"), "/inputs/0/name"),
    (column(name="a\\b"), "/inputs/0/name"),
    (column(name="a\nb"), "/inputs/0/name"),
    (column(name="a\u0085b"), "/inputs/0/name"),
    (column(name="a\ud800"), "/inputs/0/name"),
    (column(type="int"), "/inputs/0/type"),
    (column(type=["int64"]), "/inputs/0/type"),
    (column(dtype="int64"), "/inputs/0/dtype"),
    (column(nullable="yes"), "/inputs/0/nullable"),
    (column(min=20.7), "/inputs/0/min"),
    (column(max="20"), "/inputs/0/max"),
    (column(min=2, max=1), "/inputs/0/min"),
    (column(type="string", min="a"), "/inputs/0/min"),
    (column(enum=[]), "/inputs/0/enum"),
    (column(enum="a"), "/inputs/0/enum"),
    (column(enum=[1, True]), "/inputs/0/enum/1"),
    (column(enum=[1, None]), "/inputs/0/enum/1"),
    (column(enum=[1, 1.0]), "/inputs/0/enum"),
    (column(shape=[]), "/inputs/0/shape"),
    (column(shape=[0]), "/inputs/0/shape"),
    (column(shape=[2, -2]), "/inputs/0/shape"),
    (column(shape=[True]), "/inputs/0/shape"),
    (column(shape=[1] * 9), "/inputs/0/shape"),
    ({"inputs": [*column()["inputs"], *column()["inputs"]]}, "/inputs/1/name"),
    (column() | {"outputs": [{"name": "p", "type": "?"}]}, "/outputs/0/type"),
    (column() | {"params": [{"name": "k", "type": "int8", "default": 300}]}, "/params/0/default"),
    (column() | {"params": [{"name": "k", "type": "int8", "value": 3}]}, "/params/0/value"),
]


@pytest.mark.parametrize(("declared", "pointer"), FAULTS)
def test_a_fault_is_named_by_its_pointer(declared: Any, pointer: str) -> None:
    with pytest.raises(InvalidField) as raised:
        Signature.from_json(declared, pointer="/signature")

    assert raised.value.pointer == f"/signature{pointer}"


def test_an_unknown_member_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidField, match="nearest is `nullable`"):
        Signature.from_json(column(nulable=True))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_anything_else_is_refused_and_never_breaks(declared: Any) -> None:
    with pytest.raises(InvalidField):
        Signature.from_json({"inputs": declared})


def test_the_dtype_table_agrees_with_itself() -> None:
    assert list(DTYPES) == [
        "boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float32", "float64", "string", "datetime", "date",
    ]  # fmt: skip
    for key, dtype in DTYPES.items():
        assert dtype.key == key
        if dtype.kind in ("boolean", "integer", "float"):
            assert dtype.arrow.to_pandas_dtype() == dtype.numpy.type
        assert (dtype.bounds is not None) == (dtype.kind == "integer")


def test_a_param_without_a_default_takes_null() -> None:
    assert Signature.from_json(FULL).params[1] == Param("as_of", "datetime", None)
