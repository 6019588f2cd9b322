"""MLflow folders that MLflow itself has written: looked at, taken over, and answered alike."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from registry.errors import CheckRefused
from registry.formats import sniff
from registry.scan import Finding, look
from registry.signature.types import Signature
from serving.runtimes.mlflow import load
from tests.serving.runtimes.boosted_tables import (
    FRAME,
    TWO,
    batch_of,
    prediction,
    probabilities,
    quietly,
)

pytest.importorskip("mlflow")

ROWS = FRAME.fillna(0.0).assign(n=np.arange(len(FRAME)) % 7)
# Without it MLflow looks in a process of its own for what the model needs.
QUICK = {"pip_requirements": ["scikit-learn"]}


def zipped(tmp_path: Path, save: Callable[[str], None], *, top: bool = False) -> bytes:
    """What the writer leaves in a folder, as the bytes of a zip; ``top`` keeps the folder."""
    folder = tmp_path / "kept" / "model"
    quietly(lambda: save(str(folder)))
    root = folder.parent if top else folder
    return Path(shutil.make_archive(str(tmp_path / "model"), "zip", root)).read_bytes()


def looked(content: bytes) -> Finding:
    return look(io.BytesIO(content), len(content), "mlflow")


def sklearn_folder(tmp_path: Path, model: Any, *, top: bool = False, **options: Any) -> bytes:
    import mlflow.sklearn

    def save(path: str) -> None:
        mlflow.sklearn.save_model(model, path, **QUICK, **options)

    return zipped(tmp_path, save, top=top)


def pipeline() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, TWO)


@pytest.mark.parametrize("written", ["cloudpickle", "pickle", "skops"])
def test_a_pipeline_answers_as_in_process(written: str, tmp_path: Path) -> None:
    own = pipeline()
    content = sklearn_folder(tmp_path, own, serialization_format=written, top=written == "pickle")
    assert sniff(content[:256], "model.zip") == sniff(content[:256], "model") == "mlflow"
    found = looked(content)
    assert found.verdict == "passed", found.summary
    assert found.evidence["flavor"] == "sklearn"
    assert found.evidence["holds"] == ("skops" if written == "skops" else "pickle")
    assert found.evidence["mlflow_version"][0].isdigit()
    answer = load(io.BytesIO(content), "mlflow").score(batch_of(ROWS), (), {})
    assert prediction(answer) == own.predict(ROWS).tolist()
    assert (probabilities(answer) == own.predict_proba(ROWS)).all()


def test_signature_and_example_are_taken_over(tmp_path: Path) -> None:
    from mlflow.models import infer_signature

    own = pipeline()
    signature = quietly(lambda: infer_signature(ROWS, own.predict(ROWS)))
    content = sklearn_folder(tmp_path, own, signature=signature, input_example=ROWS.head(3))
    taken = looked(content).evidence["taken_over"]
    inputs = Signature.from_json(taken["signature"]).inputs
    assert [(column.name, column.type) for column in inputs] == [
        ("weight kg", "float64"),
        ("größe", "float64"),
        ("x", "float64"),
        ("n", "int64"),
    ]
    assert not inputs[0].nullable
    assert taken["example"] == ROWS.head(3).to_dict("records")
    assert taken["notes"] == []


def test_an_example_of_a_matrix_has_numbered_columns(tmp_path: Path) -> None:
    from mlflow.models import infer_signature

    matrix = ROWS.to_numpy()
    own = LogisticRegression().fit(matrix, TWO)
    signature = quietly(lambda: infer_signature(matrix, own.predict(matrix)))
    content = sklearn_folder(tmp_path, own, signature=signature, input_example=matrix[:2])
    taken = looked(content).evidence["taken_over"]
    assert taken["signature"] is None
    assert "no named columns" in taken["notes"][0]
    assert [list(row.values()) for row in taken["example"]] == matrix[:2].tolist()
    assert list(taken["example"][0]) == ["x0", "x1", "x2", "x3"]


def test_native_files_of_other_libraries_are_opened_by_their_own_runtime(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    import mlflow.xgboost

    own = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(FRAME, TWO)
    content = zipped(tmp_path, lambda path: mlflow.xgboost.save_model(own, path, **QUICK))
    found = looked(content)
    assert (found.verdict, found.evidence["holds"]) == ("passed", "xgboost"), found.summary
    answer = load(io.BytesIO(content), "mlflow").score(batch_of(FRAME), (), {})
    assert prediction(answer) == own.predict(FRAME).tolist()


def test_catboost_and_lightgbm_folders_are_taken_as_native_files(tmp_path: Path) -> None:
    catboost, lightgbm = pytest.importorskip("catboost"), pytest.importorskip("lightgbm")
    import mlflow.catboost
    import mlflow.lightgbm

    few = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    cats = catboost.CatBoostClassifier(**few).fit(FRAME, TWO)
    content = zipped(tmp_path / "a", lambda path: mlflow.catboost.save_model(cats, path, **QUICK))
    answer = load(io.BytesIO(content), "mlflow").score(batch_of(FRAME), (), {})
    assert looked(content).verdict == "passed"
    assert prediction(answer) == cats.predict(FRAME).tolist()

    plain = FRAME.rename(columns={"weight kg": "weight"})
    light = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(plain, TWO)
    content = zipped(
        tmp_path / "b", lambda path: mlflow.lightgbm.save_model(light.booster_, path, **QUICK)
    )
    assert looked(content).verdict == "passed", looked(content).summary
    answer = load(io.BytesIO(content), "mlflow").score(batch_of(plain), (), {})
    assert prediction(answer) == light.predict(plain).tolist()

    content = zipped(tmp_path / "c", lambda path: mlflow.lightgbm.save_model(light, path, **QUICK))
    assert looked(content).reason == "mlflow-flavor"
    assert "booster" in looked(content).summary


def test_code_of_the_folders_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = 1\n")
    content = sklearn_folder(tmp_path, pipeline(), code_paths=[str(tmp_path / "mine.py")])
    found = looked(content)
    assert (found.verdict, found.reason) == ("failed", "mlflow-flavor")
    assert "code_paths" in found.summary
    with pytest.raises(CheckRefused) as refused:
        load(io.BytesIO(content), "mlflow")
    assert refused.value.reason == "mlflow-flavor"
