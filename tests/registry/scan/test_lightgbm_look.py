"""LightGBM files that were altered are refused: the library would abort, or read out of bounds."""

from __future__ import annotations

import io
import random
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from registry.scan import Finding, look

lightgbm = pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def content() -> bytes:
    chance = np.random.default_rng(5)
    frame = pd.DataFrame({"a": chance.normal(size=200), "b": chance.normal(size=200)})
    frame["c"] = pd.Categorical(chance.choice(list("uvwxyz"), 200))
    wanted = frame["a"] + 3 * frame["c"].isin(["v", "y"])
    options = {"n_estimators": 2, "num_leaves": 4, "min_data_per_group": 5, "cat_smooth": 0}
    model = lightgbm.LGBMRegressor(**options, max_cat_to_onehot=1, verbose=-1, n_jobs=1)
    text = model.fit(frame, wanted).booster_.model_to_string()
    assert "num_cat=1" in text
    return text.encode()


def looked(content: bytes) -> Finding:
    return look(io.BytesIO(content), len(content), "lightgbm")


# What is replaced (a pattern), by what. The sizes in the header are corrected afterwards.
ALTERED = {
    "a child beyond the tree": (rb"left_child=\S+", b"left_child=100000"),
    "a leaf beyond the tree": (rb"left_child=\S+", b"left_child=-100000000"),
    "a circle": (rb"left_child=\S+", b"left_child=0"),
    "a feature that there is not": (rb"split_feature=\S+", b"split_feature=10000000"),
    "a feature below zero": (rb"split_feature=\S+", b"split_feature=-7"),
    "a short list of thresholds": (rb"threshold=\S+ ", b"threshold="),
    "a threshold that is none": (rb"\nthreshold=\S+", b"\nthreshold=__import__"),
    "many leaves": (rb"num_leaves=4\n", b"num_leaves=400000\n"),
    "categories that there are not": (rb"num_cat=1", b"num_cat=10"),
    "categories behind their end": (rb"cat_boundaries=0 1", b"cat_boundaries=0 9"),
    "a split by categories without them": (rb"\nthreshold=\S+", b"\nthreshold=7"),
    "a member twice": (rb"shrinkage=", b"shrinkage=1\nshrinkage="),
    "a member that is unknown": (rb"shrinkage=", b"run=1\nshrinkage="),
    "many classes": (rb"num_class=1\n", b"num_class=1000000000\n"),
    "many trees in an iteration": (rb"per_iteration=1\n", b"per_iteration=1000000000\n"),
    "trees in no whole iteration": (rb"per_iteration=1\n", b"per_iteration=3\n"),
    "another number of features": (rb"max_feature_idx=2", b"max_feature_idx=1000000000"),
    "a name twice": (rb"feature_names=a b c", b"feature_names=a b b"),
    "another number of names": (rb"feature_names=a b c", b"feature_names=a b"),
    "a version to come": (rb"version=v4", b"version=v9"),
    "another end of lines": (rb"num_class=1\n", b"num_class=1\r\n"),
    "categories that are no JSON": (rb"pandas_categorical:\[", b"pandas_categorical:[NaN,"),
}


def with_true_sizes(content: bytes) -> bytes:
    """The file with the header's sizes as its trees now are."""
    start, end = content.index(b"Tree=0\n"), content.index(b"end of trees\n")
    parts = [part.start() for part in re.finditer(rb"Tree=\d+\n", content[start:end])]
    bounds = [*parts, end - start]
    sizes = b" ".join(b"%d" % (b - a) for a, b in pairwise(bounds))
    return re.sub(rb"tree_sizes=[\d ]+", b"tree_sizes=" + sizes, content, count=1)


@pytest.mark.parametrize("how", list(ALTERED))
def test_an_altered_model_is_refused(how: str, content: bytes) -> None:
    assert with_true_sizes(content) == content
    pattern, new = ALTERED[how]
    altered, count = re.subn(pattern, new, content, count=1)
    assert count == 1
    found = looked(with_true_sizes(altered))
    assert (found.verdict, found.reason) == ("failed", "lightgbm-malformed")
    assert "save_model" in found.summary


@pytest.mark.parametrize("sizes", [b"5620000 567", b"-562 567", b"1", b"", b"a b"])
def test_sizes_that_do_not_lead_to_the_trees_are_refused(sizes: bytes, content: bytes) -> None:
    altered = re.sub(rb"tree_sizes=[\d ]+", b"tree_sizes=" + sizes, content)
    assert looked(altered).reason == "lightgbm-malformed"


def test_dozens_of_altered_bytes_end_in_a_finding(content: bytes) -> None:
    chance = random.Random(21)
    for _ in range(300):
        altered = bytearray(content)
        for _ in range(3):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        found = looked(bytes(altered))
        assert found.verdict in ("passed", "failed")
        assert "cannot be read" not in found.summary, found.summary


def test_what_it_holds_is_told(content: bytes) -> None:
    evidence = looked(content).evidence
    assert evidence["trees"] == 2
    assert evidence["objective"] == "regression"
    assert evidence["columns_of_categories"] == 1
