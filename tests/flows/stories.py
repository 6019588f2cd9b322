"""What the stories do again and again: uploading, waiting for an end, reading a problem."""

from __future__ import annotations

import io
import json
import time
from functools import lru_cache
from typing import Any

import httpx
import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
CHECKED = ("ready", "quarantined", "rejected", "archived")
JOB_ENDED = ("completed", "completed_with_rejects", "failed", "cancelled")
LIMIT_S = 60.0

# Whole ages that may not be missing, incomes that may, and a city.
CUSTOMERS = pd.DataFrame(
    {
        "age": [20, 30, 40, 50, 60, 70],
        "income": [1.5, 2.5, None, 3.5, 2.0, 9.25],
        "city": ["Rome", "Oslo", "Rome", "Bern", "Oslo", "Bern"],
    }
)
ROW = {"age": 42, "income": 2.5, "city": "Rome"}


@lru_cache(maxsize=1)
def churn() -> Any:
    """A classifier of customers: labels no and yes."""
    columns = make_column_transformer(
        ("passthrough", ["age"]),
        (SimpleImputer(), ["income"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
    )
    estimator = make_pipeline(columns, LogisticRegression())
    return estimator.fit(CUSTOMERS, ["no", "no", "yes", "yes", "no", "yes"])


@lru_cache(maxsize=1)
def plain() -> Any:
    """A regression on three unnamed numbers."""
    rng = np.random.default_rng(7)
    return LinearRegression().fit(rng.normal(size=(20, 3)), rng.normal(size=20))


def as_skops(estimator: Any) -> bytes:
    return skops.io.dumps(estimator)


def as_joblib(estimator: Any, compress: int = 0) -> bytes:
    written = io.BytesIO()
    joblib.dump(estimator, written, compress=compress)
    return written.getvalue()


@lru_cache(maxsize=1)
def as_onnx() -> bytes:
    """A small classifier of three float32 numbers: labels 0 and 1."""
    from skl2onnx import to_onnx

    x = np.random.default_rng(8).normal(size=(30, 3)).astype(np.float32)
    estimator = LogisticRegression().fit(x, (x[:, 0] > 0).astype(int))
    return to_onnx(estimator, x[:1], options={"zipmap": False}).SerializeToString()


def as_csv(frame: pd.DataFrame = CUSTOMERS) -> bytes:
    return frame.to_csv(index=False).encode()


def example(body: bytes | None = None, name: str = "example.csv") -> dict[str, Any]:
    """The part ``example`` of an upload."""
    return {"example": (name, as_csv() if body is None else body)}


def upload(
    http: httpx.Client,
    model: str,
    artifact: bytes,
    file_name: str = "model.skops",
    *,
    query: str = "?create=true",
    headers: dict[str, str] | None = None,
    **parts: Any,
) -> httpx.Response:
    """Send a version. A pair in ``parts`` is a file, a text goes as it is, the rest as JSON."""
    files: dict[str, Any] = {"artifact": (file_name, artifact)}
    fields: dict[str, str] = {}
    for name, value in parts.items():
        if isinstance(value, tuple):
            files[name] = value
        else:
            fields[name] = value if isinstance(value, str) else json.dumps(value)
    path = f"/models/{model}/versions{query}"
    return http.post(path, files=files, data=fields, headers=headers)


def checked(http: httpx.Client, accepted: httpx.Response) -> dict[str, Any]:
    """The version or dataset version that an upload has made, once its checks have ended."""
    assert accepted.status_code == 202, accepted.text
    return settled(http, accepted.headers["Location"])


def settled(http: httpx.Client, url: str, *, leaving: str = "") -> dict[str, Any]:
    """The object once it is neither pending nor checking, nor ``leaving``."""
    waiting = {"pending", "checking", leaving}
    return until(http, url, lambda found: found["status"] not in waiting)


def ended(http: httpx.Client, accepted: httpx.Response) -> dict[str, Any]:
    """The batch job that a request has started, at its end."""
    assert accepted.status_code == 202, accepted.text
    return until(http, accepted.json()["url"], lambda job: job["state"] in JOB_ENDED)


def until(http: httpx.Client, url: str, is_so: Any) -> dict[str, Any]:
    """The object once it is so; AssertionError with the object after a minute."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        found: dict[str, Any] = ok(http.get(url))
        if is_so(found):
            return found
        assert time.monotonic() < deadline_s, found
        time.sleep(0.03)


def registered(http: httpx.Client, model: str, estimator: Any = None, **parts: Any) -> Any:
    """A version that is ready; of the churn classifier with its example unless told."""
    body = as_skops(churn() if estimator is None else estimator)
    version = checked(http, upload(http, model, body, **({**example(), **parts})))
    assert version["status"] == "ready", checks_of(version)
    return version


def checks_of(version: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    return {check["name"]: check for check in version["checks"]}


def failed_check(version: dict[str, Any]) -> dict[str, Any]:
    """The check that has rejected a version."""
    assert version["status"] == "rejected", checks_of(version)
    return next(c for c in version["checks"] if c["verdict"] == "failed")


def send_dataset(
    http: httpx.Client,
    name: str,
    body: bytes,
    file_name: str = "rows.csv",
    *,
    headers: dict[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    data = {"name": name, **fields}
    return http.post("/datasets", files={"file": (file_name, body)}, data=data, headers=headers)


def dataset(
    http: httpx.Client, name: str, body: bytes, file_name: str = "rows.csv", **fields: str
) -> Any:
    """A dataset version that is ready."""
    version = checked(http, send_dataset(http, name, body, file_name, **fields))
    assert version["status"] == "ready", version
    return version


def job(http: httpx.Client, **body: Any) -> Any:
    """A batch job at its end."""
    return ended(http, http.post("/batch-jobs", json=body))


def ok(answer: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer that must be fine."""
    assert answer.status_code == status, answer.text
    return answer.json()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, whose every member is what it should be."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["type"].endswith(f"/docs/errors#{code}")
    assert found["title"]
    assert found["detail"]
    assert found["instance"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return found


def refused_field(answer: httpx.Response, pointer: str) -> dict[str, Any]:
    """422 ``invalid-field`` that points there."""
    found = problem(answer, 422, "invalid-field")
    assert found["pointer"] == pointer, found
    return found
