"""The client writes boosted trees as the native files of their libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelyard.artifacts import save_estimator
from modelyard.errors import CannotSave

from registry.formats import HEAD_BYTES, sniff

X = np.random.default_rng(4).normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)


def made(library: str, labels: Any = Y) -> Any:
    module = pytest.importorskip(library)
    if library == "xgboost":
        return module.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, labels)
    if library == "lightgbm":
        return module.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(X, labels)
    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return module.CatBoostClassifier(iterations=2, **quiet).fit(X, labels)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_a_boosted_model_is_written_as_its_own_format(library: str, tmp_path: Path) -> None:
    saved = save_estimator(made(library), tmp_path)
    assert saved.format == library
    assert sniff(saved.path.read_bytes()[:HEAD_BYTES], saved.path.name) == library
    assert saved.notes == ()


def test_labels_that_the_file_would_lose_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CannotSave, match="numbered from 0"):
        save_estimator(made("lightgbm", np.array(["no", "yes"])[Y]), tmp_path)
    kept = save_estimator(made("catboost", np.array(["no", "yes"])[Y]), tmp_path)
    assert kept.format == "catboost"


def test_another_format_can_still_be_asked_for(tmp_path: Path) -> None:
    assert save_estimator(made("xgboost"), tmp_path, format="joblib").format == "joblib"
