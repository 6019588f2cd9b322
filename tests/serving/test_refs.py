"""Refs: what is one, and what is told of what is none."""

from __future__ import annotations

import pytest

from registry.errors import InvalidField
from serving.refs import Ref, parse_ref


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("churn", Ref("churn")),
        ("churn@challenger", Ref("churn", "challenger")),
        ("churn@a@b", Ref("churn", "a@b")),
    ],
)
def test_a_ref_is_a_name_and_perhaps_an_alias(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("churn@3", "/models/churn/versions/3/predict"),
        ("churn@v12", "/models/churn/versions/12/predict"),
        ("churn@latest", "/models/churn/versions/n/predict"),
        ("churn@", "no alias follows"),
    ],
)
def test_what_is_no_ref_points_there_and_says_what_to_call(text: str, told: str) -> None:
    with pytest.raises(InvalidField, match=told) as refused:
        parse_ref(text, pointer="/model")

    assert refused.value.pointer == "/model"
