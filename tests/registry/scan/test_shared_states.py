"""One dict as the state of two objects: what was looked at for the first is not for the second."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    BUILD,
    EMPTY,
    MEMO,
    NEW,
    get,
    looked,
    mapping,
    model,
    named,
    number,
    pickled,
)

BUNCH = named("sklearn.utils._bunch.Bunch") + EMPTY + NEW
LINE = named("sklearn.linear_model._base.LinearRegression") + EMPTY + NEW


@pytest.mark.parametrize("state", [mapping(coef_=number(1)), mapping(predict=named("numpy.sqrt"))])
@pytest.mark.parametrize("first", [BUNCH, LINE])
def test_a_second_object_with_the_same_state_is_refused(first: bytes, state: bytes) -> None:
    one = first + state + MEMO + BUILD
    other = LINE + get(0) + BUILD

    found = looked(pickled(model(one_=one, other_=other)))

    assert (found.verdict, found.reason) == ("failed", "pickle-state")


def test_each_with_a_state_of_its_own_passes() -> None:
    each = LINE + mapping(coef_=number(1)) + BUILD

    assert looked(pickled(model(one_=each, other_=each))).verdict == "passed"
