"""A hand-written service: FastAPI in front of onnxruntime, without keys, limits or metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))

from graph_rows import Graph

app = FastAPI()
graph = Graph()


class Request(BaseModel):
    """Rows as objects."""

    instances: list[dict[str, Any]]


@app.post("/predict")
def predict(request: Request) -> dict[str, Any]:
    """Predictions, and probabilities where the graph gives them."""
    return graph.answer(request.instances)
