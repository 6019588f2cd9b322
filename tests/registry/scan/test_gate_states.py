"""States that no object has, and changes after a look; nothing here is ever loaded."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    ADD,
    APPEND,
    BUILD,
    DICT,
    EMPTY,
    ITEM,
    ITEMS,
    LIST,
    MARK,
    MEMO,
    NEW,
    NONE,
    ONE,
    RIDGE,
    SET,
    TWO,
    assert_refused,
    call,
    get,
    holding,
    made,
    mapping,
    model,
    named,
    number,
    pickled,
    text,
)

LOG = "numpy.log1p"

REFUSED = {
    # States.
    "a state for a class": (holding(named(RIDGE) + DICT + BUILD), "pickle-state"),
    "a state for a function": (holding(named(LOG) + DICT + BUILD), "pickle-state"),
    "a state for a dict": (holding(DICT + DICT + BUILD), "pickle-state"),
    "a state for a text": (holding(text("a") + DICT + BUILD), "pickle-state"),
    "a second state": (pickled(model() + DICT + BUILD), "pickle-state"),
    "slots as a state": (
        pickled(made(RIDGE, NONE + mapping(predict=named(LOG)) + TWO)),
        "pickle-state",
    ),
    "a state with a class": (pickled(model(__class__=NONE)), "pickle-state"),
    "a state with a dict": (pickled(model(__dict__=DICT)), "pickle-state"),
    "a state with a number as its key": (
        pickled(made(RIDGE, DICT + number(1) + NONE + ITEM)),
        "pickle-state",
    ),
    "a state with a key twice": (
        pickled(made(RIDGE, DICT + MARK + (text("a") + NONE) * 2 + ITEMS)),
        "pickle-state",
    ),
    "an attribute in the place of predict": (pickled(model(predict=named(LOG))), "pickle-state"),
    "an attribute in the place of fit": (pickled(model(fit=NONE)), "pickle-state"),
    "an attribute that is a class": (holding(named(RIDGE)), "pickle-value"),
    "an attribute that makes arrays": (
        holding(named("numpy._core.multiarray._reconstruct")),
        "pickle-value",
    ),
    "a class in a list": (holding(LIST + named(RIDGE) + APPEND), "pickle-value"),
    "a class in a tuple in a list": (holding(LIST + named(RIDGE) + ONE + APPEND), "pickle-value"),
    "a class in a tuple in a tuple": (holding(named(RIDGE) + ONE + ONE), "pickle-value"),
    "a class in a dict": (holding(mapping(a=named(RIDGE))), "pickle-value"),
    "an array's class in a dict": (holding(mapping(a=named("numpy.ndarray"))), "pickle-value"),
    "a class in a set": (holding(SET + MARK + named(RIDGE) + ADD), "pickle-value"),
    # What is changed after it was looked at.
    "an attribute that grows": (
        pickled(model(extra_=LIST + MEMO) + get(0) + NONE + APPEND + ONE),
        "pickle-mutation",
    ),
    "a state that grows": (
        pickled(
            named(RIDGE)
            + EMPTY
            + NEW
            + DICT
            + MEMO
            + BUILD
            + get(0)
            + text("predict")
            + named(LOG)
            + ITEM
            + TWO
        ),
        "pickle-mutation",
    ),
    "arguments that grow": (
        holding(call("builtins.set", LIST + MEMO) + get(0) + NONE + APPEND + TWO),
        "pickle-mutation",
    ),
    "items for an object": (pickled(model() + NONE + APPEND), "pickle-mutation"),
    "items for a class": (pickled(named(RIDGE) + text("a") + NONE + ITEM), "pickle-mutation"),
    "items for a tuple": (holding(EMPTY + NONE + APPEND), "pickle-mutation"),
    "a dict with an item of a list": (holding(DICT + NONE + APPEND), "pickle-mutation"),
    "a list with an item of a dict": (holding(LIST + NONE + NONE + ITEM), "pickle-mutation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_states_that_no_object_has_are_refused(name):
    assert_refused(*REFUSED[name])
