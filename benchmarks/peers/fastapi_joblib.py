"""A hand-written service: FastAPI in front of a joblib file."""

from __future__ import annotations

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])
has_probabilities = hasattr(model, "predict_proba")


class Request(BaseModel):
    """Rows as objects."""

    instances: list[dict[str, Any]]


@app.post("/predict")
def predict(request: Request) -> dict[str, Any]:
    """Predictions, and probabilities where the model has them."""
    frame = pd.DataFrame(request.instances)
    answer: dict[str, Any] = {"predictions": model.predict(frame).tolist()}
    if has_probabilities:
        answer["probabilities"] = model.predict_proba(frame).tolist()
    return answer
