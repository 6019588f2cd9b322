"""Media types: what a body is, and what the caller wants to have."""

from __future__ import annotations

import pytest

from registry.errors import MalformedParameter, NotAcceptable, UnsupportedMediaType
from serving.protocols.media import ARROW, CSV, JSON, PARQUET, answer_type, body_type


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("text/csv", CSV),
        ("Text/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        (ARROW, ARROW),
        ("application/x-parquet", PARQUET),
        ("text/html, text/csv;q=0.5", CSV),
        ("application/json;q=0.1, text/csv;q=0.9", CSV),
        ("*/*;q=0.1, application/vnd.apache.parquet", PARQUET),
        ("application/json;q=0, */*", CSV),
        ("text/csv, application/json", JSON),  # equal weights: JSON comes first
    ],
)
def test_the_answer_has_the_type_that_is_wanted_most(accept: str | None, answered: str) -> None:
    assert answer_type(accept) == answered


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0"])
def test_where_none_of_ours_is_wanted_it_says_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="text/csv"):
        answer_type(accept)


@pytest.mark.parametrize("accept", ["text/csv;q=high", "text/csv;q=2", "text/csv;q=nan"])
def test_a_weight_that_is_none_is_a_malformed_parameter(accept: str) -> None:
    with pytest.raises(MalformedParameter):
        answer_type(accept)


def test_a_body_without_a_media_type_is_json() -> None:
    assert body_type(None) == JSON
    assert body_type("application/json;charset=UTF-8") == JSON
    assert body_type('text/csv; charset="utf-8"') == CSV


@pytest.mark.parametrize("media_type", [JSON, CSV])
def test_a_text_that_is_not_utf_8_is_told_how_its_own_type_is_read(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        body_type(f"{media_type}; charset=latin-1")

    assert refused.value.facts["accepted"] == [f"{media_type}; charset=utf-8"]
