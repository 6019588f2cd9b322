"""What takes the place of pandas' and scipy's objects answers alike; nothing of theirs is run."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.errors import CheckRefused
from registry.scan import look
from serving.runtimes.sklearn import stand_ins, table_parts
from serving.runtimes.sklearn.opening import OPENERS
from serving.runtimes.sklearn.structure import check_structure

RANDOM = np.random.default_rng(8)
FRAME = pd.DataFrame(
    {
        "a": RANDOM.normal(size=60),
        "b": RANDOM.normal(size=60),
        "t": ["p", "q", "r"] * 20,
        "c": pd.Categorical(["x", "y"] * 30),
    }
)
LABELS = np.array(["no", "yes"] * 30)
NUMBERS = FRAME[["a", "b", "t"]].select_dtypes("number").columns
CHOSEN = {
    "select_dtypes": NUMBERS,
    "a slice": NUMBERS[:1],
    "drop": FRAME.columns.drop(["t", "c"]),
    "difference": FRAME.columns.difference(["t", "c"]),
    "a mask": FRAME.columns[FRAME.dtypes == "float64"],
    "with a name": pd.Index(["b", "a"], name="columns"),
    "strings of Python": pd.Index(["a", "b"], dtype=pd.StringDtype("python")),
    "strings of Python and NaN": pd.Index(["a", "b"], dtype=pd.StringDtype("python", np.nan)),
    "strings with NA": pd.Index(["a", "b"], dtype="string"),
    "objects, as in pandas 2": pd.Index(["a", "b"], dtype=object),
    "positions": pd.Index([1, 0]),
    "a range": pd.RangeIndex(2),
    "an array of strings": NUMBERS.array,
    "an array of strings of Python": pd.array(["a", "b"], dtype=pd.StringDtype("python")),
    "values": NUMBERS.values,
    "a selection by letters beyond ASCII": pd.Index(["a", "\u00e4"])[:1],
}


def saved(estimator: Any, format: str, protocol: int) -> bytes:
    if format == "pickle":
        return pickle.dumps(estimator, protocol)
    out = io.BytesIO()
    joblib.dump(estimator, out, protocol=protocol)
    return out.getvalue()


def reopened(estimator: Any, format: str = "pickle", protocol: int = 4) -> Any:
    content = saved(estimator, format, protocol)
    found = look(io.BytesIO(content), len(content), format)
    assert found.verdict == "passed", found.summary
    opened = OPENERS[format](io.BytesIO(content))
    check_structure(opened)
    return opened


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("name", CHOSEN)
def test_columns_named_by_pandas_come_back_and_answer_bit_for_bit(name, format, protocol):
    chosen = CHOSEN[name]
    columns = ColumnTransformer([("n", StandardScaler(), chosen)], remainder="drop")
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS)
    opened = reopened(model, format, protocol)
    assert np.array_equal(opened.predict_proba(FRAME), model.predict_proba(FRAME))
    held = opened[0].transformers[0][2]
    assert type(held) is type(chosen)
    assert list(held) == list(chosen)
    assert held.dtype == chosen.dtype
    assert getattr(held, "name", None) == getattr(chosen, "name", None)


def test_other_places_where_models_hold_labels():
    by_names = HistGradientBoostingClassifier(
        max_iter=3, categorical_features=FRAME[["c"]].columns
    ).fit(FRAME[["a", "c"]], LABELS)
    told = OneHotEncoder(categories=[FRAME.t.unique()]).fit(FRAME[["t"]])
    other = OneHotEncoder(categories=[FRAME.c.cat.categories]).fit(FRAME[["c"]])
    table = FRAME[["a", "c"]]
    assert np.array_equal(reopened(by_names).predict_proba(table), by_names.predict_proba(table))
    assert (reopened(told).transform(FRAME[["t"]]) != told.transform(FRAME[["t"]])).nnz == 0
    assert (reopened(other).transform(FRAME[["c"]]) != other.transform(FRAME[["c"]])).nnz == 0
    assert reopened(SimpleImputer(missing_values=pd.NA)).missing_values is pd.NA


DRAWN = {
    "loguniform": stats.loguniform(1e-3, 10),
    "uniform": stats.uniform(0.1, 3),
    "randint": stats.randint(1, 5),
    "norm": stats.norm(2, 0.1),
    "expon": stats.expon(0.1),
    "beta, by name": stats.beta(a=2, b=3),
    "not frozen": stats.uniform,
    "levy_stable": stats.levy_stable(1.8, 0.5),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", DRAWN)
def test_a_search_answers_alike_and_its_distributions_are_inert(name, protocol):
    drawn = {"alpha": DRAWN[name]} if name != "levy_stable" else {"alpha": [1, 2]}
    search = RandomizedSearchCV(Ridge(), drawn, n_iter=3, cv=2, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(FRAME[["a", "b"]], FRAME.a > 0)
    search.param_distributions = {"alpha": DRAWN[name]}
    opened = reopened(search, "joblib", protocol)
    assert np.array_equal(opened.predict(FRAME[["a", "b"]]), search.predict(FRAME[["a", "b"]]))
    held = opened.param_distributions["alpha"]
    assert isinstance(held, stand_ins.StandIn)
    assert held.stands_for == f"{type(DRAWN[name]).__module__}.{type(DRAWN[name]).__qualname__}"
    assert held.stands_for in repr(held)
    assert "name" in held.state or "args" in held.state


def test_no_code_runs_where_the_gate_is_not_asked():
    evil = pickle.dumps(stats.norm, 4).replace(b"def _parse_args(", b"raise Exit(123)#", 1)
    opened = OPENERS["pickle"](io.BytesIO(evil))
    assert isinstance(opened, stand_ins.StandIn)
    taken = b"\x80\x02cbuiltins\ngetattr\ncbuiltins\nstr\nX\x06\x00\x00\x00format\x86R."
    with pytest.raises(CheckRefused) as refused:
        OPENERS["pickle"](io.BytesIO(taken.replace(b"builtins\ng", b"__builtin__\ng")))
    assert refused.value.reason == "pickle-untrusted-global"


def texts_of(length: int, start: int, valid: Any, offsets: list[int], content: bytes) -> Any:
    bounds = np.array(offsets, "<i8").tobytes()
    return table_parts.arrow_array(
        ("large_string", length, 0, start, [valid, bounds, content], [], None)
    )


def test_texts_are_read_from_arrows_buffers_with_every_length_checked():
    assert texts_of(2, 0, None, [0, 1, 3], b"abc") == ["a", "bc"]
    assert texts_of(1, 1, None, [0, 1, 3], b"abc") == ["bc"]
    assert texts_of(2, 0, b"\x02", [0, 1, 3], b"abc") == [None, "bc"]
    assert texts_of(0, 0, None, [], b"") == []
    for wrong in (
        (3, 0, None, [0, 1, 3], b"abc"),
        (2, 1, None, [0, 1, 3], b"abc"),
        (2, 0, None, [0, 1, 4], b"abc"),
        (2, 0, None, [0, 2, 1], b"abc"),
        (2, 0, None, [-1, 1, 2], b"abc"),
        (2, 0, b"", [0, 1, 3], b"abc"),
        (-1, 0, None, [0, 1, 3], b"abc"),
        (2, -1, None, [0, 1, 3], b"abc"),
        (1 << 40, 0, None, [0, 1, 3], b"abc"),
        (1, 0, None, [0, 1], b"\xff"),
    ):
        with pytest.raises(ValueError, match=r"stands for|decode"):
            texts_of(*wrong)


def test_labels_are_plain_and_not_too_many():
    index, ranged = table_parts.Named("pandas.Index"), table_parts.Named("pandas.RangeIndex")
    for state in (
        {"data": np.array([[]], dtype=object), "name": None},
        {"data": np.array([[1]]), "name": None},
        {"data": ["a"], "name": None},
        {"data": np.array([{}], dtype=object), "name": None},
        {"data": np.array([1]), "name": ()},
    ):
        with pytest.raises(ValueError, match="stands for"):
            table_parts.new_index(index, state)
    with pytest.raises(ValueError, match="a number of labels"):
        table_parts.new_index(ranged, {"start": 0, "stop": 1 << 40, "step": 1, "name": None})
    with pytest.raises(ValueError, match="labels"):
        table_parts.new_index(pd.Index, {"data": np.array([1]), "name": None})


@pytest.mark.parametrize("name", ["objects, as in pandas 2", "positions", "a range"])
def test_labels_of_pandas_2_are_opened(name):
    columns = ColumnTransformer([("n", StandardScaler(), CHOSEN[name])], remainder="drop")
    content = pickle.dumps(columns.fit(FRAME), 3)
    assert b"cpandas\n" in content
    earlier = content.replace(b"cpandas\nIndex\n", b"cpandas.core.indexes.base\nIndex\n")
    earlier = earlier.replace(b"cpandas\nRangeIndex\n", b"cpandas.core.indexes.range\nRangeIndex\n")
    assert look(io.BytesIO(earlier), len(earlier), "pickle").verdict == "passed"
    opened = OPENERS["pickle"](io.BytesIO(earlier))
    assert np.array_equal(opened.transform(FRAME), columns.transform(FRAME))
