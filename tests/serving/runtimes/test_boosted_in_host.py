"""Boosted trees and MLflow folders in a confined host: the same answers, without a thread."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from registry.formats import FORMATS
from serving.runtimes import load_runtime
from serving.runtimes.isolation.client import ModelSpec
from tests.serving.runtimes.boosted_tables import (
    FRAME,
    THREE,
    TWO,
    VALUE,
    WITH_TEXTS,
    batch_of,
    quietly,
)
from tests.serving.runtimes.hosts import RunningHost, running
from tests.serving.runtimes.test_mlflow import pipeline, sklearn_folder

PLAIN = FRAME.rename(columns={"weight kg": "weight"})


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running(tmp_path_factory.mktemp("boosted") / "host.sock") as started:
        yield started


def xgboost_file(_: Path) -> tuple[bytes, pa.RecordBatch]:
    xgboost = pytest.importorskip("xgboost")
    options = {"objective": "multi:softprob", "num_class": 3, "nthread": 2}
    model = xgboost.train(options, xgboost.DMatrix(FRAME, THREE), 5)
    return bytes(model.save_raw("json")), batch_of(FRAME)


def lightgbm_file(_: Path) -> tuple[bytes, pa.RecordBatch]:
    lightgbm = pytest.importorskip("lightgbm")
    texts = WITH_TEXTS.rename(columns={"weight kg": "weight"})
    table = texts.astype({"town": "category", "floor": "category"})
    # As the author's machine had it; the file keeps the number.
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=8).fit(table, TWO)
    return model.booster_.model_to_string().encode(), batch_of(texts)


def catboost_file(folder: Path) -> tuple[bytes, pa.RecordBatch]:
    catboost = pytest.importorskip("catboost")
    options = {"iterations": 5, "verbose": 0, "allow_writing_files": False, "thread_count": 2}
    model = catboost.CatBoostRegressor(**options)
    model.fit(WITH_TEXTS, VALUE, cat_features=["town", "floor"])
    model.save_model(str(folder / "model.cbm"))
    return (folder / "model.cbm").read_bytes(), batch_of(WITH_TEXTS)


def mlflow_file(folder: Path) -> tuple[bytes, pa.RecordBatch]:
    pytest.importorskip("mlflow")
    frame = FRAME.fillna(0.0).assign(n=range(len(FRAME)))
    return sklearn_folder(folder, pipeline()), batch_of(frame)


FILES: dict[str, Any] = {
    "xgboost": xgboost_file,
    "lightgbm": lightgbm_file,
    "catboost": catboost_file,
    "mlflow": mlflow_file,
}


@pytest.mark.parametrize("format", list(FILES))
def test_the_host_looks_loads_and_answers_as_this_process_does(
    host: RunningHost, format: str, tmp_path: Path
) -> None:
    content, batch = quietly(lambda: FILES[format](tmp_path))
    runtime = FORMATS[format].runtime
    here = load_runtime(runtime).load(io.BytesIO(content), format)
    spec = ModelSpec(f"one-{format}", format, runtime, hashlib.sha256(content).hexdigest())
    with host.client.inspect(lambda: io.BytesIO(content), spec) as child:
        assert child.scan().verdict == "passed"
        assert child.load() == here.facts()
        for rows in (batch, batch.slice(0, 1), batch.slice(0, 0)):
            assert child.score(rows, (), {}) == here.score(rows, (), {})
        # A library that starts a thread now and then hangs in a child, which may have none.
        first = child.score(batch, (), {})
        assert all(child.score(batch, (), {}) == first for _ in range(20))
