"""Program: a joblib file as an MLflow folder: `mlflow_save.py FILE FOLDER`."""

from __future__ import annotations

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle"
    )
