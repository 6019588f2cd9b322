"""The unpickler opens what the gate lists and nothing else, from every container."""

from __future__ import annotations

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from registry.errors import CheckRefused
from registry.scan import look
from registry.scan.pickle_list import globals_listed
from serving.runtimes.sklearn import allowed
from serving.runtimes.sklearn.opening import OPENERS

RANDOM = np.random.default_rng(3)
ROWS, LABELS = RANDOM.normal(size=(50, 3)), RANDOM.integers(0, 2, 50)
MODELS = [
    make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS),
    make_pipeline(FunctionTransformer(np.abs), DecisionTreeClassifier()).fit(ROWS, LABELS),
]


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "xz", "lzma", "lz4"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_model_comes_back_the_same_from_every_container_and_protocol(compress, protocol):
    for model in MODELS:
        out = io.BytesIO()
        joblib.dump(model, out, compress=compress, protocol=protocol)
        opened = OPENERS["joblib"](out)
        assert np.array_equal(opened.predict_proba(ROWS), model.predict_proba(ROWS))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_plain_pickle_comes_back_the_same(protocol):
    opened = OPENERS["pickle"](io.BytesIO(pickle.dumps(MODELS[0], protocol)))
    assert np.array_equal(opened.predict(ROWS), MODELS[0].predict(ROWS))


def test_every_listed_global_is_there_and_is_what_it_is_listed_for():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            full: allowed.listed_global(*full.rpartition(".")[::2])
            for full in globals_listed()
            if not full.startswith("numpy.core.")  # numpy 1, where files may come from
        }
    for full, kind in globals_listed().items():
        if kind == "estimator":
            assert issubclass(found[full], BaseEstimator), full


UNLISTED = [
    ("os", "system"),
    ("builtins", "eval"),
    ("sklearn.base", "re.sys"),
    ("sklearn.datasets._openml", "fetch_openml"),
    ("numpy._core", "_ufunc_reconstruct"),
    ("sklearn.svm", "SVC"),
    ("no.such.module", "name"),
]


@pytest.mark.parametrize(("module", "name"), UNLISTED)
def test_what_is_not_listed_is_not_imported_even_where_the_gate_is_not_asked(module, name):
    content = f"\x80\x02c{module}\n{name}\n.".encode("latin-1")
    with pytest.raises(CheckRefused) as refused:
        OPENERS["pickle"](io.BytesIO(content))
    assert refused.value.reason == "pickle-untrusted-global"
    assert f"{module}.{name}" in str(refused.value)


def test_a_listed_name_that_leads_to_another_object_is_refused(monkeypatch):
    import sklearn.svm._classes as home

    monkeypatch.setattr(home, "SVC", LogisticRegression)
    with pytest.raises(allowed.NotAllowed):
        allowed.listed_global("sklearn.svm._classes", "SVC")


def test_the_names_of_protocol_2_mean_the_same_to_gate_and_unpickler():
    model = OneHotEncoder(dtype=float).fit(LABELS[:, None].astype(object))
    content = pickle.dumps(model, 2)
    assert b"__builtin__" in content
    assert look(io.BytesIO(content), len(content), "pickle").verdict == "passed"
    assert OPENERS["pickle"](io.BytesIO(content)).dtype is float


def test_a_damaged_container_is_a_refused_check():
    with pytest.raises(CheckRefused) as refused:
        OPENERS["joblib"](io.BytesIO(b"\x78\x9c" + bytes(40)))
    assert refused.value.reason == "load-failed"
