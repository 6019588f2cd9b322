"""Plain: the table of artifact formats, and telling them apart by their first bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from registry.errors import UnreadableArtifact
from registry.scan.containers import FOREIGN, container_of
from registry.scan.finding import REASONS
from registry.scan.onnx_look import first_field_is_ir_version
from registry.scan.xgboost_look import OLD_BINARY

Trust = Literal["inert", "audited", "code"]
HEAD_BYTES = 256


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
    Format("mlflow", "MLflow folder (zip)", (".zip",), "code", "mlflow"),
    Format("xgboost", "XGBoost", (".ubj", ".json"), "inert", "xgboost"),
    Format("lightgbm", "LightGBM", (".txt",), "inert", "lightgbm"),
    Format("catboost", "CatBoost", (".cbm",), "inert", "catboost"),
)
FORMATS: dict[str, Format] = {row.key: row for row in _ROWS}

_LABEL_MAX_CHARS = 80


def sniff(head: bytes, filename: str, declared: str | None = None) -> str:
    """The format key of a file by its first bytes (``HEAD_BYTES`` of them, or the whole file).

    Bytes decide; ``declared``, and after it the suffix of ``filename``, only choose between formats
    that begin alike. Raises UnreadableArtifact for an empty file, for bytes of no known format, and
    where ``declared`` or a known suffix contradicts the bytes.
    """
    if declared is not None and declared not in FORMATS:
        known = ", ".join(FORMATS)
        raise UnreadableArtifact(f"There is no format `{declared[:40]}`; known are {known}.")
    if not head:
        raise UnreadableArtifact("The file is empty.")
    fitting = list(_fitting(head))
    if not fitting:
        raise UnreadableArtifact(_unknown(head))
    if declared is not None:
        if declared not in fitting:
            raise UnreadableArtifact(
                f"The file is declared as {declared}, but its first bytes are those of "
                f"{' or '.join(fitting)}."
            )
        return declared
    return _by_suffix(filename, fitting)


def _fitting(head: bytes) -> Iterator[str]:
    """The formats that begin like this, the likeliest first."""
    container = container_of(head)
    if container == "raw":
        yield from ("joblib", "pickle")
    elif container:
        yield "joblib"
    elif head.startswith(b"PK\x03\x04"):
        yield from _zipped(head)
    elif head.startswith(b"CBM1"):
        yield "catboost"
    elif head.startswith((b"tree\n", b"tree\r\n")):
        yield "lightgbm"
    elif _is_xgboost(head):
        yield "xgboost"
    elif first_field_is_ir_version(head):
        yield "onnx"


def _zipped(head: bytes) -> tuple[str, ...]:
    """skops names its members by numbers or digests, an MLflow folder by what they are."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    is_skops = re.fullmatch(rb"[0-9A-Fa-f-]+\.(?:npy|npz|bin)|schema\.json", name) is not None
    return ("skops", "mlflow") if is_skops or not name else ("mlflow", "skops")


def _is_xgboost(head: bytes) -> bool:
    """XGBoost's JSON, or the same as UBJSON: an object with ``learner`` or ``version`` first."""
    return head.startswith(b"{") and (b"learner" in head or b"version" in head)


def _by_suffix(filename: str, fitting: list[str]) -> str:
    label = os.path.basename(filename.replace("\\", "/")).lower()[-_LABEL_MAX_CHARS:]
    named = [row.key for row in _ROWS if label.endswith(row.suffixes)]
    # joblib writes compressed files under any name that people give to pickles, and raw ones too.
    alike = {"joblib", "pickle"}
    for key in named:
        if key in fitting:
            return key
    if named and not (alike & set(named) and alike & set(fitting)):
        raise UnreadableArtifact(
            f"`{label}` is named like {named[0]}, but its first bytes are those of {fitting[0]}."
        )
    return fitting[0]


def _unknown(head: bytes) -> str:
    taken = (
        "skops, joblib, pickle (protocol 2 or later), ONNX, MLflow folders as zip and the files of "
        "XGBoost, LightGBM and CatBoost are taken"
    )
    if head.startswith(OLD_BINARY):
        remedy = REASONS["xgboost-binary"][1]
        return f"The file is of XGBoost's old binary format. What to do: {remedy}."
    for name, magic in FOREIGN:
        if head.startswith(magic):
            return f"The file is a {name}: {taken}."
    return f"The first bytes ({head[:8].hex(' ')}) are of no known model format: {taken}."
