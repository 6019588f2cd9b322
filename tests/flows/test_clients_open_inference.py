"""Clients: NVIDIA's ``tritonclient[http]``, as it is installed, against a started service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.services.stack import Stack

KeyFor = Callable[..., str]
PENGUINS: dict[str, list[Any]] = {
    "island": ["Dream", "Torgersen", "Biscoe"],
    "sex": ["male", "female", "female"],
    "bill_length_mm": [49.5, 36.5, 46.1],
    "bill_depth_mm": [19.0, 18.0, 13.2],
    "flipper_length_mm": [200.0, 190.0, 211.0],
    "body_mass_g": [3800.0, 3150.0, 4500.0],
}


Headers = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def headers(key_for: KeyFor) -> Headers:
    """New ones for each call: the client adds to those that it is given."""
    key = key_for("read", "score")
    return lambda: {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def server(live_stack: Stack) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(live_stack.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture(scope="module")
def native(http: httpx.Client) -> Callable[..., dict[str, Any]]:
    def ask(model: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
        answer = http.post(f"/models/{model}/predict", json={"columns": columns})
        return answer.raise_for_status().json()

    return ask


def tensors(columns: dict[str, list[Any]], *, binary: bool = True, kind: type = np.float64):
    """One input per column: ``[n, 1]``, texts as BYTES."""
    inputs = []
    for name, cells in columns.items():
        is_text = isinstance(cells[0], str)
        array = np.array(cells, dtype=object if is_text else kind).reshape(-1, 1)
        found = triton.InferInput(name, list(array.shape), "BYTES" if is_text else _name(array))
        found.set_data_from_numpy(array, binary_data=binary)
        inputs.append(found)
    return inputs


def _name(array: np.ndarray) -> str:
    return {"f": "FP", "i": "INT", "u": "UINT"}[array.dtype.kind] + str(8 * array.itemsize)


def texts(array: np.ndarray) -> list[str]:
    return [cell.decode() if isinstance(cell, bytes) else cell for cell in array.tolist()]


def test_the_server_is_live_and_ready_and_says_what_it_is_without_a_key(server):
    assert server.is_server_live()
    assert server.is_server_ready()
    metadata = server.get_server_metadata()
    assert metadata["name"] == "modelyard"
    assert "binary_tensor_data" in metadata["extensions"]


def test_a_model_is_ready_and_describes_its_tensors(server, headers):
    assert server.is_model_ready("penguins", headers=headers())
    assert server.is_model_ready("penguins", "1", headers=headers())
    assert not server.is_model_ready("penguins", "7", headers=headers())
    assert not server.is_model_ready("nobody-made-this", headers=headers())
    found = server.get_model_metadata("penguins", headers=headers())
    assert (found["name"], found["versions"]) == ("penguins", ["1"])
    assert [(i["name"], i["datatype"], i["shape"]) for i in found["inputs"]] == [
        (name, "BYTES" if isinstance(cells[0], str) else "FP64", [-1, 1])
        for name, cells in PENGUINS.items()
    ]
    predict, proba = found["outputs"]
    assert (predict["name"], predict["datatype"], predict["shape"]) == ("predict", "BYTES", [-1])
    assert (proba["name"], proba["datatype"], proba["shape"]) == ("predict_proba", "FP64", [-1, 3])
    assert proba["parameters"]["classes"] == ["Adelie", "Chinstrap", "Gentoo"]


def test_the_index_names_every_version(server, headers):
    index = server.get_model_repository_index(headers=headers())
    found = {(one["name"], one["version"], one["state"]) for one in index}
    assert {("penguins", "1", "READY"), ("wine", "1", "READY")} <= found


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
def test_tensors_are_answered_as_rows_are(server, headers, native, binary, packed):
    expected = native("penguins", PENGUINS)
    result = server.infer(
        "penguins",
        tensors(PENGUINS, binary=binary),
        request_id="call-7",
        headers=headers(),
        request_compression_algorithm=packed,
        response_compression_algorithm=packed,
    )
    told = result.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == ("penguins", "1", "call-7")
    assert texts(result.as_numpy("predict")) == expected["predictions"]
    proba = [list(row.values()) for row in expected["probabilities"]]
    np.testing.assert_array_equal(result.as_numpy("predict_proba"), np.array(proba))


def test_an_alias_and_a_version_are_called_by_name(server, headers):
    by_alias = server.infer("penguins@champion", tensors(PENGUINS), headers=headers())
    assert by_alias.get_response()["model_name"] == "penguins@champion"
    by_number = server.infer("penguins", tensors(PENGUINS), model_version="1", headers=headers())
    assert by_number.get_response()["model_version"] == "1"
    assert texts(by_number.as_numpy("predict")) == texts(by_alias.as_numpy("predict"))


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_one_output_is_asked_for(server, headers, binary):
    wanted = [triton.InferRequestedOutput("predict_proba", binary_data=binary)]
    result = server.infer("penguins", tensors(PENGUINS), outputs=wanted, headers=headers())
    assert result.as_numpy("predict") is None
    assert result.as_numpy("predict_proba").shape == (3, 3)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_one_matrix_is_taken_where_all_columns_are_numbers(server, headers, http, kind, binary):
    width = len(server.get_model_metadata("wine", headers=headers())["inputs"])
    rows = np.random.default_rng(3).uniform(0.5, 20, size=(20, width)).astype(kind)
    matrix = triton.InferInput("everything", list(rows.shape), _name(rows))
    matrix.set_data_from_numpy(rows, binary_data=binary)
    result = server.infer("wine", [matrix], headers=headers())
    body = {"instances": rows.astype(float).tolist()}
    expected = http.post("/models/wine/predict", json=body).raise_for_status().json()
    assert result.as_numpy("predict").dtype == np.int64
    assert result.as_numpy("predict").tolist() == expected["predictions"]


def test_nan_is_a_missing_value(server, headers, native):
    gap = PENGUINS | {"body_mass_g": [3800.0, None, 4500.0]}
    sent = PENGUINS | {"body_mass_g": [3800.0, float("nan"), 4500.0]}
    result = server.infer("penguins", tensors(sent), headers=headers())
    assert texts(result.as_numpy("predict")) == native("penguins", gap)["predictions"]


def test_what_is_wrong_is_told_in_one_text(server, headers):
    with pytest.raises(InferenceServerException, match="the nearest is `island`") as refused:
        server.infer("penguins", tensors({"islnd": ["Dream"]}), headers=headers())
    assert refused.value.status() == "400"
    bad = PENGUINS | {"body_mass_g": [1.0, float("inf"), 2.0]}
    with pytest.raises(InferenceServerException, match="row 1, column `body_mass_g`") as refused:
        server.infer("penguins", tensors(bad), headers=headers())
    assert "not-finite" in refused.value.message()
    with pytest.raises(InferenceServerException) as refused:
        server.infer("penguins", tensors(PENGUINS))
    assert refused.value.status() == "401"
    with pytest.raises(InferenceServerException, match="nobody-made-this") as refused:
        server.infer("nobody-made-this", tensors(PENGUINS), headers=headers())
    assert refused.value.status() == "404"


def test_callbacks_of_many_calls_at_once(server, headers):
    calls = [server.async_infer("penguins", tensors(PENGUINS), headers=headers()) for _ in range(8)]
    answers = [texts(call.get_result().as_numpy("predict")) for call in calls]
    assert all(answer == answers[0] for answer in answers)
