"""Plain: the table of artifact formats, and telling them apart by their first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from registry.errors import UnreadableArtifact

Trust = Literal["inert", "audited", "code"]
HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Format:
    """One format of model files.

    ``trust``: ``inert`` files are data only, ``audited`` ones name types that are held against a
    list of ours, ``code`` ones execute what they say when they are loaded. ``runtime`` is a key of
    the table of runtimes. ``suffixes`` are for labels and downloads; they decide nothing.
    """

    key: str
    title: str
    suffixes: tuple[str, ...]
    trust: Trust
    runtime: str


_ROWS = (
    Format("skops", "skops", (".skops",), "audited", "sklearn"),
    Format("joblib", "joblib", (".joblib",), "code", "sklearn"),
    Format("pickle", "pickle", (".pkl", ".pickle"), "code", "sklearn"),
    Format("onnx", "ONNX", (".onnx",), "inert", "onnx"),
    Format("mlflow", "MLflow folder (zip)", (".zip",), "code", "sklearn"),
    Format("xgboost", "XGBoost", (".ubj", ".json"), "inert", "xgboost"),
    Format("lightgbm", "LightGBM", (".txt",), "inert", "lightgbm"),
    Format("catboost", "CatBoost", (".cbm",), "inert", "catboost"),
)
FORMATS: dict[str, Format] = {row.key: row for row in _ROWS}
