"""CatBoost files that were altered are refused before the library sees them."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.scan import Finding, look
from registry.scan.flatbuffer import Table, root

catboost = pytest.importorskip("catboost")

QUIET = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


def made(folder: Path, **options: Any) -> bytes:
    chance = np.random.default_rng(5)
    words = chance.choice(list("uvwxy"), 90)
    rows = [[float(a), str(c)] for a, c in zip(chance.normal(size=90), words, strict=True)]
    wanted = [row[0] + (row[1] == "v") for row in rows]
    model = catboost.CatBoostRegressor(**QUIET, depth=3, **options)
    model.fit(rows, np.array(wanted) > 0.5, cat_features=[1])
    model.save_model(str(folder / "model.cbm"))
    return (folder / "model.cbm").read_bytes()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("cats"))


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("steps"), grow_policy="Lossguide")


def looked(content: bytes) -> Finding:
    return look(io.BytesIO(content), len(content), "catboost")


def vector_at(content: bytes, field: int) -> int:
    """Where in the file the first item of a vector of the trees lies."""
    core = root(memoryview(content)[8:])
    trees = core.table(1)
    assert isinstance(trees, Table)
    return 8 + trees._vector(field, 4)[0]


@pytest.mark.parametrize("field", [1, 2, 3])
@pytest.mark.parametrize("value", [10**6, -1])
def test_a_split_or_a_tree_out_of_range_is_refused(field: int, value: int, content: bytes) -> None:
    assert looked(content).verdict == "passed"
    altered = bytearray(content)
    struct.pack_into("<i", altered, vector_at(content, field), value)
    assert looked(bytes(altered)).reason == "catboost-malformed"


def test_a_step_out_of_its_tree_is_refused(steps: bytes) -> None:
    assert looked(steps).verdict == "passed"
    altered = bytearray(steps)
    struct.pack_into("<H", altered, vector_at(steps, 10), 60_000)
    assert looked(bytes(altered)).reason == "catboost-malformed"


def test_a_cut_or_a_longer_file_is_refused(content: bytes) -> None:
    assert looked(content + b"x").reason == "catboost-malformed"
    for end in range(4, len(content), 61):
        assert looked(content[:end]).reason == "catboost-malformed"


def test_dozens_of_altered_bytes_end_in_a_finding(content: bytes, steps: bytes) -> None:
    chance = random.Random(22)
    for one in (content, steps):
        for _ in range(200):
            altered = bytearray(one)
            for _ in range(4):
                altered[chance.randrange(len(altered))] = chance.randrange(256)
            found = looked(bytes(altered))
            assert found.verdict in ("passed", "failed")
            assert "cannot be read" not in found.summary, found.summary


def test_embeddings_and_texts_are_refused(tmp_path: Path) -> None:
    words = ["red green blue", "green blue", "blue red", "red"] * 30
    model = catboost.CatBoostClassifier(**QUIET)
    model.fit([[word] for word in words], [0, 1, 1, 0] * 30, text_features=[0])
    model.save_model(str(tmp_path / "model.cbm"))
    found = looked((tmp_path / "model.cbm").read_bytes())
    assert found.reason == "catboost-malformed"
    assert "texts" in found.summary
