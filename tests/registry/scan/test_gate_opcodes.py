"""Memo, stack and frames as no pickler writes them; nothing here is ever loaded."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    DICT,
    DUP,
    EMPTY,
    ITEM,
    ITEMS,
    LIST,
    MARK,
    MEMO,
    NEW_EX,
    NONE,
    POP,
    REDUCE,
    RIDGE,
    STOP,
    TUPLE,
    TWO,
    assert_refused,
    frame,
    get,
    holding,
    model,
    named,
    number,
    pickled,
    put,
    text,
)

LOG = "numpy.log1p"

REFUSED = {
    # Memo, stack, frames.
    "a place that was not written": (holding(get(3)), "pickle-memo"),
    "a place written out of turn": (holding(text("a") + put(5)), "pickle-memo"),
    "a place written twice": (
        holding(text("a") + put(0) + text("b") + put(0) + TWO),
        "pickle-memo",
    ),
    "a number in the memo": (holding(number(7) + MEMO), "pickle-memo"),
    "values left over": (pickled(NONE + model()), "pickle-malformed"),
    "nothing": (pickled(b""), "pickle-malformed"),
    "a mark left over": (pickled(MARK + model()), "pickle-malformed"),
    "a tuple without its mark": (pickled(TUPLE), "pickle-malformed"),
    "a tuple of too few": (pickled(NONE + TWO), "pickle-malformed"),
    "a call of nothing": (pickled(REDUCE), "pickle-malformed"),
    "a key without a value": (holding(DICT + MARK + text("a") + ITEMS), "pickle-malformed"),
    "a list as a key": (holding(DICT + LIST + NONE + ITEM), "pickle-value"),
    "a text that is no UTF-8": (holding(b"\x8c\x01\xff"), "pickle-malformed"),
    "an opcode over a frame's end": (
        b"\x80\x04" + frame(b"\x8c") + b"\x01a" + STOP,
        "pickle-frame",
    ),
    "a frame inside of a frame": (
        b"\x80\x04" + frame(frame(b"N")[:9] + b"N.")[:-1],
        "pickle-frame",
    ),
    "an end inside of a frame": (b"\x80\x04" + frame(model() + STOP + b"NN"), "pickle-frame"),
    "an empty frame": (b"\x80\x04" + frame(b"") + model() + STOP, "pickle-frame"),
    "a frame in protocol 3": (b"\x80\x03" + frame(NONE + STOP), "pickle-opcode"),
    "GLOBAL in protocol 4": (holding(b"cnumpy\nlog1p\n"), "pickle-opcode"),
    "a second beginning": (holding(b"\x80\x04N"), "pickle-opcode"),
    "a second stream": (pickled(model()) + pickled(model()), "container-trailing-bytes"),
    "an end that is missing": (pickled(model())[:-1], "truncated"),
    "DUP": (holding(NONE + DUP), "pickle-opcode"),
    "POP": (holding(NONE + NONE + POP), "pickle-opcode"),
    "an extension": (holding(b"\x82\x01"), "pickle-opcode"),
    "a persistent id": (holding(b"Pid\n"), "pickle-opcode"),
    "a persistent id from the stack": (holding(text("id") + b"Q"), "pickle-opcode"),
    "INST": (holding(MARK + b"inumpy\nlog1p\n"), "pickle-opcode"),
    "OBJ": (holding(MARK + named(LOG) + b"o"), "pickle-opcode"),
    "a buffer out of band": (holding(b"\x97"), "pickle-opcode"),
    "named arguments": (holding(named(RIDGE) + EMPTY + DICT + NEW_EX), "pickle-opcode"),
    "a number of text": (holding(b"I1\n"), "pickle-opcode"),
    "a text of Python 2": (holding(b"U\x01a"), "pickle-opcode"),
    "an unknown opcode": (holding(b"\x00"), "pickle-opcode"),
    "a long number": (holding(b"\x8a\xff" + bytes(255)), "pickle-limit"),
    "many marks": (pickled(MARK * 2000), "pickle-limit"),
    "bytes beyond the end": (holding(b"\x8e" + b"\xff" * 7 + b"\x00"), "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_opcodes_that_no_pickler_writes_are_refused(name):
    assert_refused(*REFUSED[name])
