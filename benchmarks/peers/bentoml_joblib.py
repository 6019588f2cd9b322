"""BentoML in front of a joblib file, as its documentation has it."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=2)
class Predict:
    """Rows in, predictions out."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        """Predictions, and probabilities where the model has them."""
        frame = pd.DataFrame(instances)
        answer = {"predictions": self.model.predict(frame).tolist()}
        if hasattr(self.model, "predict_proba"):
            answer["probabilities"] = self.model.predict_proba(frame).tolist()
        return answer
