"""What the gate passes, the roots that are no models, and what a refusal says."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    ADD,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    EMPTY,
    FROZEN,
    LIST,
    MARK,
    MEMO,
    NONE,
    ONE,
    RIDGE,
    SET,
    STOP,
    THREE,
    array,
    assert_refused,
    call,
    frame,
    holding,
    looked,
    made,
    mapping,
    model,
    named,
    number,
    pickled,
    raw,
    text,
    wrapped,
)

LOG = "numpy.log1p"

PASSES = {
    "an estimator without state": pickled(made(RIDGE)),
    "an estimator with attributes": pickled(model(coef_=array(raw(bytes(8)), number(1) + ONE))),
    "a frame": b"\x80\x04" + frame(model() + STOP),
    "opcodes behind a frame": b"\x80\x04" + frame(model()) + STOP,
    "protocol 2": b"\x80\x02csklearn.linear_model._ridge\nRidge\n)\x81.",
    "a list": holding(LIST + MEMO + MARK + number(1) + NONE + APPENDS),
    "a set": holding(SET + MARK + text("a") + number(2) + ADD),
    "a frozen set": holding(MARK + text("a") + FROZEN),
    "a named function": holding(named(LOG)),
    "a dict with keys of Python": holding(mapping(__init__=number(1))),
    "a joblib array": holding(wrapped(number(2) + ONE, b"\x01\xff" + bytes(16))),
    "a joblib array of nothing": holding(wrapped(number(0) + ONE, b"\x01\xff")),
    "a joblib array without padding": holding(
        wrapped(EMPTY, bytes(8), numpy_array_alignment_bytes=b"")
    ),
    "array bytes that look like opcodes": holding(
        wrapped(number(1) + ONE, b"\x01\xff" + b"c.R)cos\n")
    ),
    "a slice": holding(call("builtins.slice", number(0), number(2), NONE)),
    "a generator of random numbers": holding(
        call(
            "numpy.random._pickle.__generator_ctor",
            call("numpy.random._pickle.__bit_generator_ctor", named("numpy.random._pcg64.PCG64"))
            + mapping(bit_generator=text("PCG64"), state=mapping(state=number(1)))
            + BUILD,
        )
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_models_are_made_of_passes(name):
    found = looked(PASSES[name])
    assert (found.verdict, found.summary) == ("passed", found.summary)
    assert found.evidence["estimator"] == RIDGE


REFUSED = {
    # Roots.
    "a number": (pickled(number(1)), "not-a-model"),
    "a dict": (pickled(mapping(a=number(1))), "not-a-model"),
    "an array": (pickled(array(raw(bytes(8)), EMPTY)), "not-a-model"),
    "a list of models": (pickled(LIST + model() + APPEND), "not-a-model"),
    "a kernel": (pickled(made("sklearn.gaussian_process.kernels.RBF", DICT)), "not-a-model"),
    "a class": (pickled(named(RIDGE)), "pickle-value"),
    "a function": (pickled(named(LOG)), "not-a-model"),
    "a checkpoint": (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03.",
        "not-a-model",
    ),
    "three values": (pickled(NONE + NONE + NONE + THREE), "not-a-model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_fitted_estimator_is_refused(name):
    assert_refused(*REFUSED[name])


def test_a_refused_global_is_named_with_its_place_and_a_remedy_that_fits():
    found = looked(holding(named("__main__.clean")))
    assert found.evidence["global"] == "__main__.clean"
    assert "named numpy function" in found.summary
    assert found.evidence["offset"] == holding(named("__main__.clean")).index(b"\x93", 60)
    assert "save_model" in looked(holding(named("xgboost.sklearn.XGBClassifier"))).summary
    assert "another version" in looked(holding(named("sklearn.tree.tree.Tree"))).summary
    assert "scipy.stats" in looked(holding(named("scipy.stats._distn.rv_frozen"))).summary
