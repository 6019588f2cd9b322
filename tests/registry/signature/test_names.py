"""Names: which columns may have, and which known one was probably meant."""

from __future__ import annotations

import pytest

from registry.signature.names import NearestName, name_fault, nearest, pointer_token, shown


@pytest.mark.parametrize(
    "name", ["age", "sepal length (cm)", "città [€]", "a/b~c", "年齢", "a’b", " "]
)
def test_names_are_taken_as_they_are(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", 'a"', "a'", "a\\", "a\n", "\x00", "\x7f", "\u2028", "\udc00"])
def test_names_that_would_need_escaping_are_refused(name: str) -> None:
    assert name_fault(name) is not None


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("agee", ["city", "age"], "age"),
        ("Age", ["ages", "age"], "age"),
        ("sepal_length_cm", ["petal length (cm)", "sepal length (cm)"], "sepal length (cm)"),
        ("zzz", ["age", "city"], "age"),
        ("", ["age"], "age"),
        ("age", [], None),
    ],
)
def test_the_nearest_known_name_is_named(name: str, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == meant


def test_a_very_long_name_is_compared_and_shown_in_part() -> None:
    assert nearest("a" * 100_000, ["b", "aaa"]) == "aaa"
    assert len(shown("a" * 100_000)) == 200


def test_one_name_is_looked_up_once_and_the_work_is_bounded() -> None:
    guess = NearestName(["age", "city"], comparisons=3)

    assert [guess("agee"), guess("agee"), guess("town")] == ["age", "age", "city"]
    assert guess("another") is None


def test_a_pointer_escapes_tilde_and_slash() -> None:
    assert pointer_token("a/b~c") == "a~1b~0c"
