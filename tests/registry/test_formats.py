"""Artifact formats are told apart by their first bytes; names and declarations only choose."""

from __future__ import annotations

import pytest

from registry.errors import UnreadableArtifact
from registry.formats import FORMATS, sniff

RAW = b"\x80\x05\x95\x00\x00"
ZIP = b"PK\x03\x04\x14\x00"
MLFLOW = b"PK\x03\x04" + bytes(22) + b"\x10\x00\x00\x00requirements.txt"
SKOPS = b"PK\x03\x04" + bytes(22) + b"\x0e\x00\x00\x00140234-1ab.npy"
ONNX = b"\x08\x0a\x12\x08skl2onnx"

TAKEN = [
    (RAW, "m.joblib", None, "joblib"),
    (RAW, "m.pkl", None, "pickle"),
    (RAW, "M.PICKLE", None, "pickle"),
    (RAW, "m", None, "joblib"),
    (RAW, "m.joblib", "pickle", "pickle"),
    (b"\x80\x02}", "m.pkl", None, "pickle"),
    (b"\x78\x9c\x00", "m.pkl", None, "joblib"),
    (b"\x1f\x8b\x08", "m.joblib.gz", None, "joblib"),
    (b"BZh9", "m.joblib", None, "joblib"),
    (b"\xfd7zXZ\x00", "m.joblib", None, "joblib"),
    (b"\x5d\x00\x00\x80", "m.joblib", None, "joblib"),
    (b"\x04\x22\x4d\x18", "m.joblib", "joblib", "joblib"),
    (ZIP, "m.skops", None, "skops"),
    (ZIP, "m", None, "skops"),
    (ZIP, "folder.zip", None, "mlflow"),
    (ZIP, "folder.zip", "skops", "skops"),
    (MLFLOW, "m", None, "mlflow"),
    (MLFLOW, "m.zip", None, "mlflow"),
    (SKOPS, "m", None, "skops"),
    (SKOPS, "m.skops", None, "skops"),
    (ONNX, "m.onnx", None, "onnx"),
    (ONNX, "blob", "onnx", "onnx"),
    (b'{"learner":', "m.json", None, "xgboost"),
    (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner", "m.ubj", None, "xgboost"),
    (b"tree\nversion=v4", "m.txt", None, "lightgbm"),
    (b"CBM1\x00", "m.cbm", None, "catboost"),
]

REFUSED = [
    (b"", "m.joblib", None, "empty"),
    (b"hello", "m.joblib", None, "no known model format"),
    (b"\x80\x01}", "m.pkl", None, "no known model format"),
    (b"\x80\x06}", "m.pkl", None, "no known model format"),
    (b"(dp0\n", "m.pkl", None, "no known model format"),
    (b"]\x94.", "m.pkl", None, "no known model format"),
    (b"7z\xbc\xaf\x27\x1c", "m.joblib", None, "7z archive"),
    (b"ZF0x", "m.joblib", None, "joblib file older"),
    (ZIP, "m.joblib", None, "named like joblib"),
    (ZIP, "m.onnx", None, "named like onnx"),
    (RAW, "m.skops", None, "named like skops"),
    (ZIP, "m.skops", "joblib", "declared as joblib"),
    (RAW, "m.onnx", "onnx", "declared as onnx"),
    (b"\x78\x9c", "m.pkl", "pickle", "declared as pickle"),
    (RAW, "m.joblib", "keras", "no format `keras`"),
    (b"binf\x00", "m.bin", None, r"old binary format.*XGBoost before 3\.1"),
    (b"\x00\x00\x00\x3f\x04", "m.model", "xgboost", "old binary format"),
]


@pytest.mark.parametrize(("head", "filename", "declared", "key"), TAKEN)
def test_first_bytes_decide_and_names_choose_between_those_that_begin_alike(
    head, filename, declared, key
):
    assert sniff(head, filename, declared) == key


@pytest.mark.parametrize(("head", "filename", "declared", "words"), REFUSED)
def test_a_file_of_no_known_kind_or_in_contradiction_is_refused(head, filename, declared, words):
    with pytest.raises(UnreadableArtifact, match=words):
        sniff(head, filename, declared)


def test_a_path_in_the_file_name_is_only_a_label():
    assert sniff(RAW, "../../etc/m.pkl", None) == "pickle"
    assert sniff(RAW, r"C:\models\m.pkl", None) == "pickle"


def test_every_format_has_a_trust_class_and_a_runtime():
    assert {row.trust for row in FORMATS.values()} == {"inert", "audited", "code"}
    assert all(row.runtime and row.suffixes and row.title for row in FORMATS.values())
    assert FORMATS["skops"].trust == "audited"
    assert FORMATS["joblib"].trust == FORMATS["pickle"].trust == "code"
