"""MLflow folders made by hand: what the zip, MLmodel and the inputs in it may not be."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any

import pytest

from registry.scan import Finding, look
from registry.scan.mlmodel_inputs import taken_over

MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.skops}
  sklearn: {pickled_model: model.skops, serialization_format: skops, code: null}
mlflow_version: 3.17.2
"""


def folder(mlmodel: str = MLMODEL, top: str = "", **members: Any) -> bytes:
    """A zip of MLmodel and more members; a name may be given with dots for slashes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(top + "MLmodel", mlmodel)
        for name, content in members.get("named", {}).items():
            archive.writestr(top + name, content)
    return file.getvalue()


def looked(content: bytes) -> Finding:
    return look(io.BytesIO(content), len(content), "mlflow")


@pytest.fixture
def good(skops_bytes: bytes) -> dict[str, bytes]:
    return {"model.skops": skops_bytes}


@pytest.mark.parametrize("top", ["", "iris/"])
def test_a_folder_is_taken_at_the_top_or_one_below(top: str, good: dict[str, bytes]) -> None:
    found = looked(folder(top=top, named=good))
    assert found.verdict == "passed", found.summary
    assert found.evidence["holds"] == "skops"
    assert found.evidence["format"] == "mlflow"
    assert found.evidence["member_bytes"] == len(good["model.skops"])
    assert found.evidence["types"]


def test_entries_of_folders_are_left_out(good: dict[str, bytes]) -> None:
    file = io.BytesIO(folder(named=good))
    with zipfile.ZipFile(file, "a") as archive:
        archive.mkdir("metadata")
        archive.writestr("metadata/MLmodel", "x")
    assert looked(file.getvalue()).verdict == "passed"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../x", "a\\x", "C:x", "a//x", "./x"])
def test_names_that_lead_elsewhere_are_refused(name: str, good: dict[str, bytes]) -> None:
    assert looked(folder(named=good | {name: b"x"})).reason == "zip-unsafe-name"


def test_links_are_refused(good: dict[str, bytes]) -> None:
    file = io.BytesIO(folder(named=good))
    link = zipfile.ZipInfo("link")
    link.external_attr = 0xA1FF << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert looked(file.getvalue()).reason == "zip-not-a-file"


def test_the_model_inside_is_judged_by_the_look_of_its_format() -> None:
    assert looked(folder(named={"model.skops": b"PK\x03\x04"})).verdict == "failed"
    pickled = MLMODEL.replace("skops", "pickle").replace("model.pickle", "model.pkl")
    assert looked(folder(pickled, named={"model.pkl": b"cos\nsystem\n."})).verdict == "failed"
    old = MLMODEL.replace("sklearn", "xgboost").replace("pickled_model: model.skops", "data: m.xgb")
    old = old.replace(", serialization_format: skops", "")
    assert looked(folder(old, named={"m.xgb": b"binf" + bytes(99)})).reason == "xgboost-binary"


FOREIGN = {
    "a function alone": "flavors: {python_function: {loader_module: mine}}",
    "another flavor": "flavors: {tensorflow: {data: x}}",
    "two flavors": "flavors: {onnx: {data: x}, sklearn: {pickled_model: y}}",
    "another loader": MLMODEL.replace("mlflow.sklearn", "mlflow.pyfunc.model"),
    "code of its own": MLMODEL.replace("code: null", "code: code"),
    "code of the function": MLMODEL.replace("{loader", "{code: code, loader"),
    "another format": MLMODEL.replace("serialization_format: skops", "serialization_format: dill"),
    "a wrapper": "flavors: {lightgbm: {data: model.pkl}}",
}


@pytest.mark.parametrize("what", list(FOREIGN))
def test_what_needs_code_or_another_library_is_refused(what: str, good: dict[str, bytes]) -> None:
    found = looked(folder(FOREIGN[what], named=good))
    assert (found.verdict, found.reason) == ("failed", "mlflow-flavor")
    assert "code_paths" in found.summary


def test_a_folder_of_code_is_refused_even_where_mlmodel_is_silent(good: dict[str, bytes]) -> None:
    assert looked(folder(named=good | {"code/mine.py": b"x = 1"})).reason == "mlflow-flavor"


MALFORMED = {
    "no YAML": "flavors: [",
    "no flavors": "mlflow_version: 3",
    "flavors that are a list": "flavors: [sklearn]",
    "a flavor that is a text": "flavors: {sklearn: yes please}",
    "no path": "flavors: {sklearn: {}}",
    "a path out of the folder": "flavors: {sklearn: {pickled_model: ../model.skops}}",
    "a tag": "flavors: !!python/object/apply:os.system ['true']",
    "an anchor": "a: &a [x]\nflavors: {sklearn: {pickled_model: model.skops}}",
    "aliases": "a: &a [x, x]\nb: [*a, *a]\nflavors: {}",
    "a long number to the base of 60": "a: 1" + ":59" * 60 + "\nflavors: {}",
    "deep nesting": "flavors: " + "[" * 60 + "]" * 60,
    "bytes": "flavors: {sklearn: {pickled_model: !!binary aGk=}}",
}


@pytest.mark.parametrize("what", list(MALFORMED))
def test_an_mlmodel_that_is_no_plain_yaml_is_refused(what: str, good: dict[str, bytes]) -> None:
    assert looked(folder(MALFORMED[what], named=good)).reason == "mlflow-malformed"


def test_a_zip_without_mlmodel_and_one_that_is_long_are_refused(good: dict[str, bytes]) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.skops", good["model.skops"])
    assert looked(file.getvalue()).reason == "mlflow-malformed"
    assert looked(folder("# " + os.urandom(1 << 20).hex(), named=good)).reason == "too-large"


def taken(columns: Any = None, example: Any = None) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if columns is not None:
        told["signature"] = {"inputs": json.dumps(columns)}
    if example is not None:
        told["saved_input_example_info"] = {"artifact_path": "e.json"}
    return taken_over(told, lambda path: json.dumps(example).encode() if path == "e.json" else None)


def test_types_of_mlflow_become_ours() -> None:
    kinds = ["boolean", "integer", "long", "float", "double", "string", "datetime"]
    columns = [{"name": kind, "type": kind, "required": kind != "long"} for kind in kinds]
    inputs = taken(columns)["signature"]["inputs"]
    assert [column["type"] for column in inputs] == [
        "boolean",
        "int32",
        "int64",
        "float32",
        "float64",
        "string",
        "datetime",
    ]
    assert [column["name"] for column in inputs if column["nullable"]] == ["long"]


@pytest.mark.parametrize("column", [{"type": "double"}, {"name": "a", "type": "tensor"}, 3, None])
def test_a_signature_without_like_among_ours_is_left_out(column: Any) -> None:
    found = taken([{"name": "b", "type": "double"}, column])
    assert found["signature"] is None
    assert found["notes"]


def test_missing_numbers_of_an_example_are_null_and_texts_stay() -> None:
    rows = b'{"columns": ["a", "t"], "data": [[1.5, "NaN"], [NaN, "x \\" NaN"]]}'
    told = {"saved_input_example_info": {"artifact_path": "input_example.json"}}

    found = taken_over(told, lambda _: rows)["example"]

    assert found == [{"a": 1.5, "t": "NaN"}, {"a": None, "t": 'x " NaN'}]


def test_an_example_is_cut_to_a_thousand_rows() -> None:
    rows = [[i, "x"] for i in range(1500)]
    assert len(taken(example={"columns": ["a", "b"], "data": rows})["example"]) == 1000


@pytest.mark.parametrize("example", [{"a": 1}, [[1, [2]]], [[1], [2, 3]], "text", {"inputs": 3}])
def test_an_example_that_is_no_table_is_left_out(example: Any) -> None:
    found = taken(example=example)
    assert found["example"] is None
    assert found["notes"]
