"""Fixtures of serving's actions: a real model host, and small models that people would upload."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from registry import storage
from registry.actions.versions import Upload, register_version
from registry.models import ModelVersion, RegisteredModel
from serving.actions import probes
from tests.people import Person
from tests.serving.runtimes.hosts import RunningHost, running

FRAME = pd.DataFrame({"age": np.arange(20.0, 60.0), "income": np.arange(40.0) * 100 % 700})
ANSWERS = np.where(FRAME["age"] + FRAME["income"] / 100 > 43, "yes", "no")


def fitted() -> LogisticRegression:
    """An ordinary model."""
    return LogisticRegression().fit(FRAME, ANSWERS)


def saved(model: Any, format: str) -> bytes:
    """The bytes of a fitted model as people save it."""
    out = io.BytesIO()
    if format == "joblib":
        joblib.dump(model, out)
    elif format == "pickle":
        pickle.dump(model, out, protocol=4)
    elif format == "skops":
        skops.io.dump(model, out)
    else:
        unnamed = LogisticRegression().fit(FRAME.to_numpy(), ANSWERS)
        options = {"zipmap": False}
        out.write(to_onnx(unnamed, FRAME.to_numpy()[:1], options=options).SerializeToString())
    return out.getvalue()


@dataclass
class Bench:
    """Registers files and lets their checks run, as an upload and a worker do."""

    socket: Path
    settings: Any
    names: list[str] = field(default_factory=list)

    def policy(self, policy: str) -> None:
        """What MODEL_FILE_POLICY says from now on."""
        self.settings.MODELYARD = {**self.settings.MODELYARD, "MODEL_FILE_POLICY": policy}

    def register(
        self,
        by: Person,
        model: RegisteredModel,
        body: bytes,
        format: str,
        *,
        example: bool | bytes = True,
        expected: Any = None,
    ) -> ModelVersion:
        """A version whose checks have run; ``example`` may be other rows, as CSV."""
        table = example if isinstance(example, bytes) else FRAME.to_csv(index=False).encode()
        rows = Upload(storage.put_bytes(table), "csv", "example.csv")
        answers = None if expected is None else storage.put_bytes(json.dumps(expected).encode())
        version = register_version(
            by=by.by,
            model=model,
            artifact=Upload(storage.put_bytes(body), format, f"model.{format}"),
            example=rows if example else None,
            expected=answers,
        )
        return self.check(version)

    def check(self, version: ModelVersion) -> ModelVersion:
        """The version after its checks."""
        probes.check_version(version.pk)
        return ModelVersion.objects.select_related("model", "artifact").get(pk=version.pk)


@pytest.fixture(scope="session")
def running_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """One host for the tests of this folder."""
    with running(tmp_path_factory.mktemp("host") / "host.sock") as host:
        yield host


@pytest.fixture
def bench(running_host: RunningHost, settings: Any) -> Bench:
    """Uploads with the running host behind them."""
    settings.MODELYARD = {**settings.MODELYARD, "MODELHOST_SOCKET": str(running_host.socket)}
    return Bench(running_host.socket, settings)
