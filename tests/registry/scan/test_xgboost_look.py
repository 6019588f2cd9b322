"""XGBoost files that were altered are refused: the library would read out of bounds, or hang."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.scan import Finding, look
from registry.scan.ubjson import NotUbjson, loads

xgboost = pytest.importorskip("xgboost")


@pytest.fixture(scope="module")
def booster() -> Any:
    chance = np.random.default_rng(5)
    frame = pd.DataFrame({"a": chance.normal(size=90), "b": chance.normal(size=90)})
    frame["c"] = pd.Categorical(chance.choice(["x", "y", "z"], 90))
    wanted = frame["a"] + 3 * (frame["c"] == "y") > 1
    model = xgboost.XGBClassifier(
        n_estimators=3, max_depth=3, n_jobs=1, enable_categorical=True, max_cat_to_onehot=1
    )
    return model.fit(frame, wanted).get_booster()


@pytest.fixture(scope="module")
def parsed(booster: Any) -> dict[str, Any]:
    return json.loads(booster.save_raw("json"))


def looked(content: bytes) -> Finding:
    return look(io.BytesIO(content), len(content), "xgboost")


def tree(document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return model(document)["trees"][number]


def model(document: dict[str, Any]) -> dict[str, Any]:
    return document["learner"]["gradient_booster"]["model"]


def param(document: dict[str, Any]) -> dict[str, Any]:
    return document["learner"]["learner_model_param"]


def put(where: Callable[[dict[str, Any]], Any], key: Any, value: Any) -> Callable[[Any], None]:
    def change(document: dict[str, Any]) -> None:
        where(document)[key] = value

    return change


def put_first(name: str, value: Any) -> Callable[[Any], None]:
    return put(lambda document: tree(document)[name], 0, value)


ALTERED = {
    "a child beyond the tree": put_first("left_children", 10**6),
    "a child below zero": put_first("left_children", -500_000),
    "a circle": put_first("left_children", 0),
    "two parents": put_first("left_children", 2),
    "a parent that it has not": put(lambda d: tree(d)["parents"], 2, -5),
    "a root with a parent": put_first("parents", 1),
    "a feature that there is not": put_first("split_indices", 10**7),
    "a feature below zero": put_first("split_indices", -1),
    "a child that is no number": put_first("left_children", "1"),
    "a child that is true": put_first("left_children", True),
    "a short list of conditions": put(tree, "split_conditions", [1.0]),
    "a short list of defaults": put(tree, "default_left", [1]),
    "a short list of kinds": put(tree, "split_type", [0]),
    "no weights": put(tree, "base_weights", []),
    "the id of another tree": put(tree, "id", 10**6),
    "many nodes": put(lambda d: tree(d)["tree_param"], "num_nodes", "100000000"),
    "wide leaves": put(lambda d: tree(d)["tree_param"], "size_leaf_vector", "1000"),
    "an output that there is not": put(lambda d: model(d)["tree_info"], 0, 10**7),
    "iterations beyond the trees": put(model, "iteration_indptr", [0, 1, 2, 3000]),
    "another number of trees": put(lambda d: model(d)["gbtree_model_param"], "num_trees", "99"),
    "many classes": put(param, "num_class", "1000000000"),
    "many targets": put(param, "num_target", "50000"),
    "no features": put(param, "num_feature", "0"),
    "many features": put(param, "num_feature", "1000000000"),
    "categories behind their end": put(tree, "categories_segments", [10**6]),
    "a category of many bits": put(tree, "categories", [2**31 - 1] * 9),
    "categories told by no node": put(tree, "categories_nodes", []),
    "a text of categories behind its end": put(
        lambda d: model(d)["cats"]["enc"][2], "offsets", [0, 1, 2, 3_000_000]
    ),
    "segments of categories behind their end": put(
        lambda d: model(d)["cats"], "feature_segments", [0, 0, 0, 3_000_000]
    ),
    "an order of categories out of range": put(
        lambda d: model(d)["cats"], "sorted_idx", [0, 1, 10**6]
    ),
    "another booster": put(lambda d: d["learner"]["gradient_booster"], "name", "gbmagic"),
    "names of another number": put(lambda d: d["learner"], "feature_names", ["a"]),
    "no objective": put(lambda d: d["learner"], "objective", None),
    "no trees": put(model, "trees", None),
}


@pytest.mark.parametrize("how", list(ALTERED))
def test_an_altered_model_is_refused(how: str, parsed: dict[str, Any]) -> None:
    document = copy.deepcopy(parsed)
    assert looked(json.dumps(document).encode()).verdict == "passed"
    ALTERED[how](document)
    found = looked(json.dumps(document).encode())
    assert (found.verdict, found.reason) == ("failed", "xgboost-malformed")
    assert "save_model" in found.summary


def test_json_and_ubjson_say_the_same(booster: Any) -> None:
    one, other = (looked(bytes(booster.save_raw(kind))) for kind in ("json", "ubj"))
    assert one.verdict == other.verdict == "passed"
    same = ("trees", "nodes", "features", "objective", "booster", "trained_with")
    assert [one.evidence[key] for key in same] == [other.evidence[key] for key in same]
    assert one.evidence["trained_with"] == {"xgboost": xgboost.__version__}


def test_dozens_of_altered_bytes_end_in_a_finding(booster: Any) -> None:
    chance = random.Random(20)
    content = bytes(booster.save_raw("ubj"))
    for _ in range(300):
        altered = bytearray(content)
        for _ in range(3):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        found = looked(bytes(altered))
        assert found.verdict in ("passed", "failed")
        assert "cannot be read" not in found.summary, found.summary


def test_a_cut_file_is_refused(booster: Any) -> None:
    for kind in ("json", "ubj"):
        content = bytes(booster.save_raw(kind))
        for end in range(1, len(content), 97):
            assert looked(content[:end]).verdict == "failed"


def test_the_old_binary_format_is_refused_with_the_way_to_convert() -> None:
    found = looked(b"binf" + bytes(200))
    assert found.reason == "xgboost-binary"
    assert "before 3.1" in found.summary


UBJSON_REFUSED = [
    b"",
    b"{",
    b"[#L" + b"\x7f" * 8,
    b"[$d#L" + b"\x7f" * 8,
    b"[$[#i\x01",
    b"[#i\xff",
    b"Si\x05abc",
    b"Si\x01\xff",
    b"{i\x01aZi\x01aZ}",
    b"[" * 100,
    b"ZZ",
    b"H",
]


@pytest.mark.parametrize("content", UBJSON_REFUSED)
def test_ubjson_that_lies_about_its_lengths_is_refused(content: bytes) -> None:
    with pytest.raises(NotUbjson):
        loads(content)


def test_ubjson_reads_typed_and_plain_values() -> None:
    body = (
        b"{i\x01a[$l#i\x02\x00\x00\x00\x01\xff\xff\xff\xffi\x01b[#i\x02Ti\x07i\x01cSi\x02\xc3\xa9}"
    )
    read = loads(body)
    assert list(read["a"]) == [1, -1]
    assert read["b"] == [True, 7]
    assert read["c"] == "é"
