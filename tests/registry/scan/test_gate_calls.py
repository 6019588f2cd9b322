"""Globals and calls that the gate refuses; nothing here is ever loaded."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    EMPTY,
    FLOAT,
    LIST,
    NEW,
    NONE,
    ONE,
    REDUCE,
    RIDGE,
    array,
    assert_refused,
    call,
    dtype,
    holding,
    made,
    named,
    number,
    pickled,
    raw,
    text,
)

TREE = "sklearn.tree._tree.Tree"
LOG = "numpy.log1p"
COUNTS = array(raw(bytes(16)), number(2) + ONE, dtype("i8"))

REFUSED = {
    # Globals.
    "a function of Python": (holding(named("posix.system")), "pickle-untrusted-global"),
    "a dotted name": (
        holding(text("sklearn.base") + text("re.sys") + b"\x93"),
        "pickle-untrusted-global",
    ),
    "a listed name of another module": (
        holding(named("sklearn.svm.Ridge")),
        "pickle-untrusted-global",
    ),
    "another case": (holding(named("numpy.Log1p")), "pickle-untrusted-global"),
    "a name that is a number": (
        holding(text("numpy") + number(1) + b"\x93"),
        "pickle-global-not-literal",
    ),
    "a name that is bytes": (
        holding(text("numpy") + raw(b"log1p") + b"\x93"),
        "pickle-global-not-literal",
    ),
    "the spelling of protocol 2 in protocol 4": (
        holding(named("__builtin__.slice")),
        "pickle-untrusted-global",
    ),
    # Calls.
    "a call of a value": (holding(call(LOG, FLOAT)), "pickle-call"),
    "a call of an estimator": (holding(call(RIDGE)), "pickle-call"),
    "a call of an object": (holding(made(RIDGE) + EMPTY + REDUCE), "pickle-call"),
    "a call of a text": (holding(text("numpy.log1p") + EMPTY + REDUCE), "pickle-call"),
    "arguments that are a list": (holding(named("builtins.slice") + LIST + REDUCE), "pickle-call"),
    "an object with arguments": (pickled(named(RIDGE) + FLOAT + ONE + NEW), "pickle-call"),
    "an object of a function": (holding(named(LOG) + EMPTY + NEW), "pickle-call"),
    "an object of an argument": (holding(named("numpy.ndarray") + EMPTY + NEW), "pickle-call"),
    "a bit generator of a class": (
        holding(call("numpy.random._pickle.__bit_generator_ctor", named(RIDGE))),
        "pickle-call",
    ),
    "a bit generator of an estimator": (
        holding(call("numpy.random._pickle.__bit_generator_ctor", made(RIDGE))),
        "pickle-call",
    ),
    "a random state of a text": (
        holding(call("numpy.random._pickle.__randomstate_ctor", text("os"))),
        "pickle-call",
    ),
    "newObj of another module's class": (
        holding(
            call(
                "sklearn.neighbors._kd_tree.newObj", named("sklearn.neighbors._ball_tree.BallTree")
            )
        ),
        "pickle-call",
    ),
    "a tree with more outputs than counts": (
        holding(call(TREE, number(2), COUNTS, number(3))),
        "pickle-call",
    ),
    "a partial of a class": (holding(call("functools.partial", named(RIDGE))), "pickle-call"),
    "a dict with a factory": (holding(call("collections.defaultdict", named(LOG))), "pickle-call"),
    "a reconstruction of a subclass": (
        holding(
            call(
                "numpy._core.multiarray._reconstruct",
                named("numpy.ma.MaskedArray"),
                number(0) + ONE,
                raw(b"b"),
            )
        ),
        "pickle-call",
    ),
    "encoding by another codec": (
        holding(call("_codecs.encode", text("a"), text("rot13"))),
        "pickle-call",
    ),
    "encoding of what has no bytes": (
        holding(call("_codecs.encode", text("\u0101"), text("latin1"))),
        "pickle-call",
    ),
    "a loss of a text": (
        holding(call("sklearn._loss._loss.CyHuberLoss", text("a"))),
        "pickle-call",
    ),
    "a Cython object of another class": (
        holding(
            call(
                "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
                named("numpy.random._pcg64.PCG64"),
                number(1),
                NONE,
            )
        ),
        "pickle-call",
    ),
    "a Cython object with a state": (
        holding(
            call(
                "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
                named("numpy.random.bit_generator.SeedSequence"),
                number(1),
                NONE + ONE,
            )
        ),
        "pickle-call",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_globals_and_calls_of_no_model_are_refused(name):
    assert_refused(*REFUSED[name])
