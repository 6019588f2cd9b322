"""Arrays, numpy's and joblib's, that are not as they are written; nothing here is ever loaded."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    APPEND,
    APPENDS,
    BUILD,
    EMPTY,
    FALSE,
    LIST,
    MARK,
    MEMO,
    NEW,
    NONE,
    ONE,
    RIDGE,
    STOP,
    TRUE,
    TWO,
    array,
    assert_refused,
    call,
    dtype,
    frame,
    get,
    holding,
    made,
    many,
    model,
    named,
    number,
    pickled,
    raw,
    text,
    wrapped,
)

LOG = "numpy.log1p"
SPENT = made("joblib.numpy_pickle.NumpyArrayWrapper")
NESTED = pickled(
    array(LIST + MARK + NONE + APPENDS, number(1) + ONE, dtype("O8", "|", (-1, -1, 63)))
)
OBJECTS = {"dtype": dtype("O8", "|", (-1, -1, 63))}

REFUSED = {
    # dtypes and arrays.
    "a dtype with a comma": (
        holding(call("numpy.dtype", text("f8,O"), FALSE, TRUE)),
        "pickle-call",
    ),
    "a dtype that is not copied": (
        holding(call("numpy.dtype", text("f8"), FALSE, FALSE)),
        "pickle-call",
    ),
    "a dtype without state": (
        holding(call("numpy.dtype", text("f8"), FALSE, TRUE)),
        "pickle-value",
    ),
    "a dtype with another size": (holding(dtype("f8", "<", (16, 8, 0))), "pickle-state"),
    "a dtype with the flags of objects": (holding(dtype("f8", "<", (-1, -1, 63))), "pickle-state"),
    "a text dtype with a smaller item": (holding(dtype("U4", "<", (4, 4, 8))), "pickle-state"),
    "a state of a dtype twice": (
        holding(
            dtype()
            + many(number(3), text("<"), NONE, NONE, NONE, *map(number, (-1, -1, 0)))
            + BUILD
        ),
        "pickle-state",
    ),
    "an array with too few bytes": (holding(array(raw(bytes(8)), number(2) + ONE)), "pickle-state"),
    "an array with a negative size": (holding(array(raw(b""), number(-1) + ONE)), "pickle-state"),
    "an array of objects as bytes": (
        holding(array(raw(bytes(8)), number(1) + ONE, OBJECTS["dtype"])),
        "pickle-state",
    ),
    "a scalar of an object": (
        holding(call("numpy._core.multiarray.scalar", OBJECTS["dtype"], raw(bytes(8)))),
        "pickle-call",
    ),
    "a buffer that is too short": (
        holding(
            call(
                "numpy._core.numeric._frombuffer",
                raw(bytes(8)),
                dtype(),
                number(2) + ONE,
                text("C"),
            )
        ),
        "pickle-call",
    ),
    # joblib's arrays.
    "an array beyond the end": (holding(wrapped(number(9) + ONE, b"\x01\xff")), "truncated"),
    "an array of eight tebibytes": (
        holding(wrapped(number(1 << 30) + number(1 << 10) + TWO, b"\x01\xff")),
        "joblib-array",
    ),
    "a negative shape": (holding(wrapped(number(-1) + ONE, b"\x01\xff")), "joblib-array"),
    "a shape of booleans": (holding(wrapped(TRUE + ONE, b"\x01\xff" + bytes(8))), "joblib-array"),
    "padding of other bytes": (holding(wrapped(EMPTY, b"\x02cc" + bytes(8))), "joblib-array"),
    "much padding": (holding(wrapped(EMPTY, b"\xff" + b"\xff" * 255 + bytes(8))), "joblib-array"),
    "an alignment of 255": (
        holding(wrapped(EMPTY, b"\x01\xff" + bytes(8), numpy_array_alignment_bytes=number(255))),
        "joblib-array",
    ),
    "a subclass": (
        holding(wrapped(EMPTY, b"", subclass=named("numpy.ma.MaskedArray"))),
        "joblib-array",
    ),
    "a subclass that is a function": (
        holding(wrapped(EMPTY, b"", subclass=named(LOG))),
        "joblib-array",
    ),
    "a wrapper with more": (holding(wrapped(EMPTY, b"", more=NONE)), "joblib-array"),
    "a wrapper without a dtype": (holding(wrapped(EMPTY, b"", dtype=NONE)), "joblib-array"),
    "a wrapper without state": (holding(SPENT), "pickle-value"),
    "a wrapper out of the memo": (
        holding(SPENT.replace(NEW, NEW + MEMO) + get(0) + TWO),
        "pickle-memo",
    ),
    "the old wrapper of joblib": (
        holding(named("joblib.numpy_pickle_compat.NDArrayWrapper")),
        "pickle-untrusted-global",
    ),
    "an array inside of a frame": (
        b"\x80\x04" + frame(model(x_=wrapped(EMPTY, b"\x01\xff" + bytes(8))) + STOP),
        "pickle-frame",
    ),
    "an array of objects of another shape": (
        holding(wrapped(number(2) + ONE, NESTED, **OBJECTS)),
        "joblib-array",
    ),
    "an array of objects that is none": (
        holding(wrapped(number(1) + ONE, pickled(made(RIDGE)), **OBJECTS)),
        "joblib-array",
    ),
    "a call inside of an array of objects": (
        holding(wrapped(number(1) + ONE, pickled(call("posix.system", text("true"))), **OBJECTS)),
        "pickle-untrusted-global",
    ),
    "a wrapper inside of an array of objects": (
        holding(wrapped(number(1) + ONE, pickled(LIST + wrapped(EMPTY, b"") + APPEND), **OBJECTS)),
        "pickle-call",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_nobody_writes_are_refused(name):
    assert_refused(*REFUSED[name])
