"""Names of columns and drawn parameters: one exact use each; nothing here is ever loaded."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from registry.scan.pickle_values import is_distribution_text
from tests.registry.scan.assembled import (
    APPENDS,
    BUILD,
    DICT,
    EMPTY,
    FLOAT,
    LIST,
    MARK,
    NEW,
    NONE,
    ONE,
    REDUCE,
    TRUE,
    array,
    assert_refused,
    call,
    holding,
    looked,
    made,
    many,
    mapping,
    named,
    number,
    raw,
    text,
)

NEW_INDEX = "pandas.core.indexes.base._new_Index"
ARROW = "pandas.arrays.ArrowStringArray"
NORM = "scipy.stats._continuous_distns.norm_gen"
TYPE = call("pyarrow.lib.type_for_alias", text("large_string"))
BUFFER = call("pyarrow.lib.py_buffer", raw(bytes(16)))
BUFFERS = LIST + MARK + NONE + BUFFER + BUFFER + APPENDS
STRING = call("pandas.StringDtype", text("pyarrow"), FLOAT)
NUMBERS = array(raw(bytes(8)), number(1) + ONE)


def restored(kind: bytes = TYPE, length: bytes = number(1), buffers: bytes = BUFFERS) -> bytes:
    parts = many(kind, length, number(0), number(0), buffers, LIST, NONE)
    return call("pyarrow.lib._restore_array", parts)


def strings(**changed: bytes) -> bytes:
    state = {"_pa_array": restored(), "_dtype": STRING, "_cache": DICT, **changed}
    return made(ARROW, mapping(**state))


def index(data: bytes, kind: str = "pandas.Index") -> bytes:
    return call(NEW_INDEX, named(kind), mapping(data=data, name=NONE))


PASSES = {
    "texts": index(strings(_readonly=TRUE)),
    "numbers": index(NUMBERS),
    "of pandas 2": index(NUMBERS, "pandas.core.indexes.base.Index"),
    "a distribution": made(NORM, mapping(name=text("norm"), __doc__=NONE)),
    "what stands for a missing value": named("pandas.NA"),
}
REFUSED = {
    "an Index of a list": (index(LIST), "pickle-call"),
    "an Index of a table": (
        index(array(raw(bytes(8)), number(1) + number(1) + b"\x86")),
        "pickle-call",
    ),
    "an Index of another class": (index(NUMBERS, "pandas.NA"), "pickle-call"),
    "an Index with more": (
        call(NEW_INDEX, named("pandas.Index"), mapping(data=NUMBERS, name=NONE, tupleize=TRUE)),
        "pickle-call",
    ),
    "an Index that is called": (call("pandas.Index", NUMBERS), "pickle-call"),
    "an Index that is made": (named("pandas.Index") + EMPTY + NEW, "pickle-call"),
    "an Index with a state": (index(NUMBERS) + DICT + BUILD, "pickle-state"),
    "an Index as a value": (named("pandas.Index"), "pickle-value"),
    "a range of texts": (
        call(
            NEW_INDEX,
            named("pandas.RangeIndex"),
            mapping(name=NONE, start=text("a"), stop=number(2), step=number(1)),
        ),
        "pickle-call",
    ),
    "strings without a state": (index(made(ARROW)), "pickle-value"),
    "strings with more": (strings(_data=NONE), "pickle-state"),
    "strings of a list": (strings(_pa_array=LIST), "pickle-state"),
    "strings with a cache": (strings(_cache=mapping(a=NONE)), "pickle-state"),
    "another type of Arrow": (call("pyarrow.lib.type_for_alias", text("int8")), "pickle-call"),
    "a buffer of a text": (call("pyarrow.lib.py_buffer", text("a")), "pickle-call"),
    "an array of two buffers": (
        restored(buffers=LIST + MARK + NONE + BUFFER + APPENDS),
        "pickle-call",
    ),
    "an array of a text's type": (restored(kind=text("large_string")), "pickle-call"),
    "another storage": (call("pandas.StringDtype", text("file")), "pickle-call"),
    "getattr of an estimator": (
        call("builtins.getattr", made("sklearn.linear_model._ridge.Ridge"), text("_entropy")),
        "pickle-call",
    ),
    "getattr of another name": (
        call("builtins.getattr", made(NORM), text("__class__")),
        "pickle-call",
    ),
    "getattr of a listed class": (
        call("builtins.getattr", named("pandas.Index"), text("_entropy")),
        "pickle-call",
    ),
    "getattr as a value": (named("builtins.getattr"), "pickle-value"),
    "a distribution that is called": (call(NORM), "pickle-call"),
    "a distribution with code of its own": (
        made(NORM, mapping(_parse_arg_template=text("import os; os.system('true')"))),
        "pickle-state",
    ),
    "a distribution with long code of its own": (
        made(NORM, mapping(_parse_arg_template=text("import os\n" * 40))),
        "pickle-state",
    ),
    "a distribution with a class": (made(NORM, mapping(__class__=NONE)), "pickle-state"),
    "a distribution with a tuple of states": (
        made(NORM, NONE + mapping(a=NONE) + b"\x86"),
        "pickle-state",
    ),
    "a method that is called": (
        call("builtins.getattr", made(NORM), text("_entropy")) + EMPTY + REDUCE,
        "pickle-call",
    ),
    "a vectorized function": (call("numpy.vectorize", named("numpy.log1p")), "pickle-call"),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_models_hold_of_tables_passes(name):
    found = looked(holding(PASSES[name]))
    assert found.verdict == "passed", found.summary


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_use_is_refused(name):
    value, reason = REFUSED[name]
    assert_refused(holding(value), reason)


def test_the_code_of_every_distribution_is_known_word_for_word():
    for value in vars(stats).values():
        if isinstance(value, stats.rv_continuous | stats.rv_discrete):
            code = value._parse_arg_template.encode()
            assert is_distribution_text(code), value.name
            assert not is_distribution_text(code + b"\nimport os")
            assert not is_distribution_text(code.replace(b"loc=0", b"loc=f()", 1))
    found = looked(pickle.dumps(Ridge(alpha=stats.norm), 4))
    assert found.verdict == "passed"
    evil = pickle.dumps(Ridge(alpha=stats.norm), 4).replace(b"return ()", b"return 0;")
    assert looked(evil).reason == "pickle-state"


def test_a_refused_file_tells_which_version_saved_it():
    for protocol in (2, 3, 4, 5):
        content = pickle.dumps(Ridge(alpha=pd.Series([1.0])), protocol)
        found = looked(content, "pickle")
        assert found.reason == "pickle-untrusted-global"
        saved_by = found.evidence["trained_with"]["scikit-learn"]
        assert f"scikit-learn {saved_by} has saved it" in found.summary
        changed = content.replace(saved_by.encode(), b"1.7.2", 1)
        assert looked(changed).evidence["trained_with"] == {"scikit-learn": "1.7.2"}


def test_losses_of_earlier_versions_are_known_by_their_name_of_today():
    loss = call("sklearn._loss._loss.CyHalfBinomialLoss")
    earlier = text("_loss") + text("CyHalfBinomialLoss") + b"\x93" + EMPTY + REDUCE
    assert looked(holding(loss)).verdict == "passed"
    assert looked(holding(earlier)).evidence["globals"] == looked(holding(loss)).evidence["globals"]
    assert_refused(holding(text("_loss") + text("system") + b"\x93"), "pickle-untrusted-global")
