"""Model files for the scan, made here."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest


@pytest.fixture(scope="session")
def table():
    random = np.random.default_rng(7)
    return random.normal(size=(80, 3)), random.integers(0, 2, 80)


@pytest.fixture(scope="session")
def skops_bytes(table):
    import skops.io
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return skops.io.dumps(make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(*table))


@pytest.fixture(scope="session")
def onnx_bytes(table):
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(LogisticRegression().fit(*table), table[0][:1].astype(np.float32))
    return model.SerializeToString()


@pytest.fixture(scope="session")
def joblib_bytes(table):
    import joblib
    from sklearn.linear_model import LogisticRegression

    def dumped(compress=0, protocol=None):
        out = io.BytesIO()
        fitted = LogisticRegression().fit(*table)
        joblib.dump(fitted, out, compress=compress, protocol=protocol)
        return out.getvalue()

    return dumped
