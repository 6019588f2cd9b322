"""Parameters of a call: typed without loss, defaults filled in, faults named by pointer."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import InvalidField
from registry.signature.params import read_params
from registry.signature.types import Column, Param, Signature

SIGNATURE = Signature(
    (Column("a", "int64"),), params=(Param("k", "int8", 3), Param("note", "string", None))
)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, {"k": 3, "note": None}),
        ({"k": 5.0}, {"k": 5, "note": None}),
        ({"note": "x", "k": -1}, {"k": -1, "note": "x"}),
        ({"note": None}, {"k": 3, "note": None}),
    ],
)
def test_params_are_typed_and_defaults_filled_in(given: Any, read: Any) -> None:
    assert read_params(SIGNATURE, given) == read


@pytest.mark.parametrize(
    ("given", "pointer", "text"),
    [
        ([], "/params", "object"),
        ({"K": 1}, "/params/K", "nearest is `k`"),
        ({"a/b": 1}, "/params/a~1b", "nearest"),
        ({"k": 2.5}, "/params/k", "not-an-integer"),
        ({"k": True}, "/params/k", "not-an-integer"),
        ({"k": 300}, "/params/k", "-128 to 127"),
        ({"k": None}, "/params/k", "not null"),
        ({"note": 5}, "/params/note", "string"),
    ],
)
def test_a_param_that_does_not_fit_is_named_by_its_pointer(
    given: Any, pointer: str, text: str
) -> None:
    with pytest.raises(InvalidField, match=text) as raised:
        read_params(SIGNATURE, given)

    assert raised.value.pointer == pointer


def test_a_model_without_params_says_so() -> None:
    with pytest.raises(InvalidField, match="takes none"):
        read_params(Signature((Column("a", "int64"),)), {"k": 1})
