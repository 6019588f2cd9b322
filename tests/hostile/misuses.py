"""Payloads of names that ordinary models have, used as no ordinary model uses them.

An allow-list by name lets these through: what is called, on what, and with what, is what counts.
"""

from __future__ import annotations

import random

from tests.hostile import opcodes as op
from tests.hostile.calls import ESTIMATOR, Payload

TREE = op.named("sklearn.tree._tree", "Tree")
NDARRAY = op.named("numpy", "ndarray")
DTYPE = op.named("numpy", "dtype")
LOG1P = op.named("numpy", "log1p")
F_CLASSIF = op.named("sklearn.feature_selection._univariate_selection", "f_classif")
RECONSTRUCT = op.named("numpy._core.multiarray", "_reconstruct")
SCALAR = op.named("numpy._core.multiarray", "scalar")
GENERATOR = op.named("numpy.random._pickle", "__generator_ctor")
BIT_GENERATOR = op.named("numpy.random._pickle", "__bit_generator_ctor")
REBUILD = op.named("copyreg", "_reconstructor")
OBJECT = op.named("builtins", "object")
PARTIAL = op.named("functools", "partial")
CSR = op.named("scipy.sparse._csr", "csr_matrix")
SCALER = op.named("sklearn.preprocessing._data", "StandardScaler")
NORMAL = op.named("scipy.stats._continuous_distns", "norm_gen")
RUN = op.dict_of([(op.text("_parse_arg_template"), op.text("import os; os.system('true')"))])
STATE = op.dict_of([(op.text("coef_"), op.literal(1))])


def _array(shape: tuple[int, ...], dtype: str, content: bytes) -> bytes:
    """An array as numpy itself pickles it."""
    made = op.reduced(RECONSTRUCT, NDARRAY, op.literal((0,)), op.literal(b"b"))
    kind = op.reduced(DTYPE, op.text(dtype), op.FALSE, op.TRUE)
    parts = [op.literal(1), op.literal(shape), kind, op.FALSE, op.literal(content)]
    return made + op.tuple_of(parts) + op.BUILD


MISUSES: dict[str, bytes] = {
    "an estimator's class called": op.reduced(ESTIMATOR),
    "an estimator's class called with arguments": op.reduced(ESTIMATOR, op.text("l2")),
    "an estimator made with arguments": ESTIMATOR + op.literal(("l2",)) + op.NEWOBJ,
    "an estimator made with keywords": ESTIMATOR + op.EMPTY_TUPLE + op.EMPTY_DICT + op.NEWOBJ_EX,
    "an estimator by OBJ": op.MARK + ESTIMATOR + op.OBJ,
    "an estimator by INST": op.MARK + b"isklearn.linear_model._logistic\nLogisticRegression\n",
    "an estimator called as a function": op.made(ESTIMATOR) + op.EMPTY_TUPLE + op.REDUCE,
    "a class gets attributes": ESTIMATOR + STATE + op.BUILD,
    "a class gets slots": ESTIMATOR + op.NONE + STATE + b"\x86" + op.BUILD,
    "a class gets methods of another": (
        ESTIMATOR + op.dict_of([(op.text("predict"), LOG1P)]) + op.BUILD
    ),
    "a ufunc called": op.reduced(LOG1P, op.literal(1.0)),
    "a ufunc built": LOG1P + STATE + op.BUILD,
    "a ufunc made": LOG1P + op.EMPTY_TUPLE + op.NEWOBJ,
    "a score function called": op.reduced(F_CLASSIF, op.literal([1]), op.literal([1])),
    "a score function gets attributes": F_CLASSIF + STATE + op.BUILD,
    "a partial called": op.reduced(PARTIAL, LOG1P) + op.literal((1.0,)) + op.REDUCE,
    "a partial of an estimator's class": op.reduced(PARTIAL, ESTIMATOR) + op.EMPTY_TUPLE + b"R",
    "a partial of a partial": op.reduced(PARTIAL, PARTIAL, LOG1P) + op.EMPTY_TUPLE + b"R",
    "an estimator's class as bit generator": op.reduced(GENERATOR, op.text("x"), ESTIMATOR),
    "a ufunc as bit generator": op.reduced(GENERATOR, op.literal(1.0), LOG1P),
    "a class for the bit generator's constructor": op.reduced(BIT_GENERATOR, ESTIMATOR),
    "a name for the bit generator's constructor": op.reduced(BIT_GENERATOR, op.text("os.system")),
    "a base that is no object": op.reduced(REBUILD, ESTIMATOR, ESTIMATOR, op.NONE),
    "a base with a state": op.reduced(REBUILD, ESTIMATOR, OBJECT, op.literal(1)),
    "a class of its own for a base": op.reduced(REBUILD, OBJECT, SCALER, op.EMPTY_TUPLE),
    "the reconstructor without arguments": op.reduced(REBUILD),
    "an array's class that is an estimator": (
        op.reduced(RECONSTRUCT, ESTIMATOR, op.literal((0,)), op.literal(b"b"))
    ),
    "an array made large": op.reduced(RECONSTRUCT, NDARRAY, op.literal((2**40,)), op.literal(b"b")),
    "an array of negative length": op.reduced(
        RECONSTRUCT, NDARRAY, op.literal((-1,)), op.literal(b"b")
    ),
    "an array's class called": op.reduced(NDARRAY, op.literal((2**40,))),
    "an array's class made": NDARRAY + op.literal(((2**40,),)) + op.NEWOBJ,
    "an array without a state": op.reduced(RECONSTRUCT, NDARRAY),
    "array bytes that are too few": _array((1000,), "f8", b"12345678"),
    "array bytes that are too many": _array((1,), "f8", b"1234567812345678"),
    "an array of negative shape": _array((-1, -1), "f8", b"12345678"),
    "an array of a record": _array((1,), "f8,O", b"1234567812345678"),
    "an array of pointers": _array((1,), "O8", b"12345678"),
    "a dtype of a list": op.reduced(DTYPE, op.literal([("a", "O")]), op.FALSE, op.TRUE),
    "a dtype of an estimator": op.reduced(DTYPE, ESTIMATOR, op.FALSE, op.TRUE),
    "a dtype of a huge item": op.reduced(DTYPE, op.text("V2147483647"), op.FALSE, op.TRUE),
    "a dtype with commas": op.reduced(DTYPE, op.text("f8,f8"), op.FALSE, op.TRUE),
    "a dtype without an end": op.reduced(DTYPE, op.text("f8" * 5000), op.FALSE, op.TRUE),
    "a scalar of pointers": op.reduced(
        SCALAR, op.reduced(DTYPE, op.text("O8"), op.FALSE, op.TRUE), op.literal(b"12345678")
    ),
    "a scalar that is too short": op.reduced(
        SCALAR, op.reduced(DTYPE, op.text("f8"), op.FALSE, op.TRUE), op.literal(b"1")
    ),
    "a tree without arrays": op.reduced(TREE),
    "a tree of texts": op.reduced(TREE, op.text("a"), op.text("b"), op.text("c")),
    "a tree made by NEWOBJ": TREE + op.literal((1, [1], 1)) + op.NEWOBJ,
    "a sparse matrix called": op.reduced(CSR, op.literal((2**40, 2**40))),
    "a sparse matrix made of arguments": CSR + op.literal(((2, 2),)) + op.NEWOBJ,
    "an object that is called": op.reduced(op.made(OBJECT)),
    "BUILD on a list": op.EMPTY_LIST + STATE + op.BUILD,
    "BUILD on a text": op.text("x") + STATE + op.BUILD,
    "BUILD with a number": op.made(ESTIMATOR) + op.literal(7) + op.BUILD,
    "BUILD with a list": op.made(ESTIMATOR) + op.literal([1]) + op.BUILD,
    "BUILD with __class__": (op.made(ESTIMATOR, op.dict_of([(op.text("__class__"), SCALER)]))),
    "BUILD with a key that is no text": op.made(ESTIMATOR, op.dict_of([(op.literal(1), STATE)])),
    "BUILD with a method's name": (
        op.made(ESTIMATOR, op.dict_of([(op.text("__setstate__"), LOG1P)])) + STATE + op.BUILD
    ),
    "APPEND on an estimator": op.made(ESTIMATOR) + op.literal(1) + op.APPEND,
    "APPENDS on a dict": op.EMPTY_DICT + op.MARK + op.literal(1) + op.APPENDS,
    "SETITEM on a list": op.literal([1]) + op.literal(0) + op.literal(2) + op.SETITEM,
    "SETITEM on an estimator": op.made(ESTIMATOR) + op.literal(0) + op.literal(2) + op.SETITEM,
    "SETITEM on an array": _array((1,), "f8", b"12345678") + op.literal(0) * 2 + op.SETITEM,
    "SETITEMS with a key alone": op.EMPTY_DICT + op.MARK + op.literal(1) + op.SETITEMS,
    "ADDITEMS on a list": op.EMPTY_LIST + op.MARK + op.literal(1) + op.ADDITEMS,
    "a distribution that brings code": op.made(NORMAL, RUN),
    "a text called": op.reduced(op.text("x")),
    "arguments that are no tuple": ESTIMATOR + op.literal([1]) + op.REDUCE,
    "a list as a key": op.EMPTY_DICT + op.EMPTY_LIST + op.literal(1) + op.SETITEM,
}


def misuse(chance: random.Random) -> Payload:
    """A drawn one of ``MISUSES``."""
    name = chance.choice(tuple(MISUSES))
    return Payload(MISUSES[name], name)
