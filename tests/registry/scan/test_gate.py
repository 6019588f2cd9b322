"""The gate over pickles that are put together opcode by opcode; none of them is ever loaded."""

from __future__ import annotations

import pytest

from tests.registry.scan.assembled import (
    ADD,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    DUP,
    EMPTY,
    FALSE,
    FLOAT,
    FROZEN,
    ITEM,
    ITEMS,
    LIST,
    MARK,
    MEMO,
    NEW,
    NEW_EX,
    NONE,
    ONE,
    POP,
    REDUCE,
    RIDGE,
    SET,
    STOP,
    THREE,
    TRUE,
    TUPLE,
    TWO,
    array,
    call,
    dtype,
    frame,
    get,
    holding,
    looked,
    made,
    many,
    mapping,
    model,
    named,
    number,
    pickled,
    put,
    raw,
    text,
    wrapped,
)

TREE = "sklearn.tree._tree.Tree"
LOG = "numpy.log1p"
COUNTS = array(raw(bytes(16)), number(2) + ONE, dtype("i8"))

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


SPENT = made("joblib.numpy_pickle.NumpyArrayWrapper")
NESTED = pickled(
    array(LIST + MARK + NONE + APPENDS, number(1) + ONE, dtype("O8", "|", (-1, -1, 63)))
)
OBJECTS = {"dtype": dtype("O8", "|", (-1, -1, 63))}

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
def test_what_models_are_not_made_of_is_refused_with_its_reason(name):
    content, reason = REFUSED[name]
    found = looked(content)
    assert (found.verdict, found.reason) == ("failed", reason), found.summary
    assert "What to do" in found.summary
    assert 0 <= found.evidence["offset"] <= len(content)


def test_a_refused_global_is_named_with_its_place_and_a_remedy_that_fits():
    found = looked(holding(named("__main__.clean")))
    assert found.evidence["global"] == "__main__.clean"
    assert "named numpy function" in found.summary
    assert found.evidence["offset"] == holding(named("__main__.clean")).index(b"\x93", 60)
    assert "save_model" in looked(holding(named("xgboost.sklearn.XGBClassifier"))).summary
    assert "another version" in looked(holding(named("sklearn.tree.tree.Tree"))).summary
    assert "scipy.stats" in looked(holding(named("scipy.stats._distn.rv_frozen"))).summary
