"""LitServe in front of a joblib file, as its documentation has it."""

import os
from typing import Any

import joblib
import litserve
import pandas as pd


class Predict(litserve.LitAPI):
    """Rows in, predictions out."""

    def setup(self, device: str) -> None:
        """Open the model."""
        del device
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # it reads annotations
        """The rows as a frame."""
        return pd.DataFrame(request["instances"])

    def predict(self, x: pd.DataFrame) -> dict[str, Any]:
        """Predictions, and probabilities where the model has them."""
        answer = {"predictions": self.model.predict(x).tolist()}
        if hasattr(self.model, "predict_proba"):
            answer["probabilities"] = self.model.predict_proba(x).tolist()
        return answer

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Predict(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
