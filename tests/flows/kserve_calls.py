"""Program: calls a service by KServe's REST client and prints what it was told, as JSON.

    python kserve_calls.py http://127.0.0.1:8000 < key

Runs in the environment of requirements-clients.txt, where nothing of ours is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

COLUMNS: dict[str, list[Any]] = {
    "island": ["Dream", "Torgersen"],
    "sex": ["male", "female"],
    "bill_length_mm": [49.5, 36.5],
    "bill_depth_mm": [19.0, 18.0],
    "flipper_length_mm": [200.0, 190.0],
    "body_mass_g": [3800.0, 3150.0],
}


def request(*, binary: bool) -> InferRequest:
    inputs = []
    for name, cells in COLUMNS.items():
        is_text = isinstance(cells[0], str)
        array = np.array(cells, dtype=object if is_text else np.float64).reshape(-1, 1)
        one = InferInput(name, list(array.shape), "BYTES" if is_text else "FP64")
        one.set_data_from_numpy(array, binary_data=binary)
        inputs.append(one)
    parameters = {"binary_data_output": binary}
    return InferRequest("penguins", inputs, request_id="kserve-1", parameters=parameters)


def told(response: Any) -> dict[str, Any]:
    outputs = {one.name: one.as_numpy().tolist() for one in response.outputs}
    texts = [c.decode() if isinstance(c, bytes) else c for c in outputs["predict"]]
    return {"id": response.id, "model": response.model_name, **outputs, "predict": texts}


async def refusal(call: Any) -> str:
    try:
        await call
    except Exception as error:
        return str(error)
    return ""


async def main(url: str, key: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model": await client.is_model_ready(url, "penguins", headers=dict(headers)),
            "nobody": await client.is_model_ready(url, "nobody", headers=dict(headers)),
            "json": told(
                await client.infer(url, request(binary=False), "penguins", headers=dict(headers))
            ),
            "binary": told(
                await client.infer(
                    url, request(binary=True), "penguins@champion", headers=dict(headers)
                )
            ),
            "no key": await refusal(client.infer(url, request(binary=True), "penguins")),
            "bad": await refusal(
                client.infer(url, {"inputs": []}, "penguins", headers=dict(headers))
            ),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.stdin.read().strip()))))
