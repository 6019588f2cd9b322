"""What most people begin with: read all rows with pandas, ask the model, write all rows.

    python pandas_batch.py SOURCE TARGET MODEL

It says when everything is imported and begins at a line; then it says how many rows it has
written, and the most memory that it has held, in bytes.
"""

from __future__ import annotations

import resource
import sys

import joblib
import pandas as pd


def main(source: str, target: str, model_file: str) -> None:
    """Score a file."""
    model = joblib.load(model_file)
    print("ready", flush=True)
    sys.stdin.readline()
    frame = pd.read_parquet(source)
    found = pd.DataFrame({"prediction": model.predict(frame)})
    sure = model.predict_proba(frame)
    for at, label in enumerate(model.classes_):
        found[f"probability_{label}"] = sure[:, at]
    found.to_parquet(target, index=False)
    print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
