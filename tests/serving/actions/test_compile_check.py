"""The check `compile`: what answers for a version, end to end through a real model host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry import storage
from registry.actions.versions import Upload, register_version
from registry.models import ModelVersion
from serving.runtimes.compiled.edition import COMPILE_EDITION
from serving.runtimes.compiled.model import CompiledModel
from tests import people, things
from tests.serving.actions.conftest import Bench, saved

pytestmark = pytest.mark.django_db

RNG = np.random.default_rng(7)
TABLE = pd.DataFrame({f"x{i}": RNG.normal(size=400) * 10.0**i for i in range(3)})
TABLE.loc[::9, "x1"] = np.nan
TABLE["town"] = RNG.choice(["Rome", "Oslo", "Lima"], 400)
LABELS = np.where(TABLE["x0"] + TABLE["x2"] / 100 + (TABLE["town"] == "Oslo") > 0.2, "yes", "no")


Push = Callable[..., ModelVersion]


@pytest.fixture
def push(bench: Bench) -> Push:
    """Registers a fitted object with the table as its example; the version after its checks."""
    owner = people.owner()
    model = things.a_model(owner)
    bench.settings.MODELYARD = {**bench.settings.MODELYARD, "COMPILE_ROWS": 10_000}

    def pushed(fitted: Any, format: str = "skops", rows: pd.DataFrame = TABLE) -> ModelVersion:
        example = storage.put_bytes(rows.head(50).to_csv(index=False).encode())
        artifact = storage.put_bytes(saved(fitted, format))
        version = register_version(
            by=owner.by,
            model=model,
            artifact=Upload(artifact, format, f"model.{format}"),
            example=Upload(example, "csv", "example.csv"),
        )
        return bench.check(version)

    return pushed


def reference_like() -> Any:
    """A small sibling of the reference workload."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["x0", "x1", "x2"]),
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(TABLE, LABELS)


def compile_of(version: ModelVersion) -> Any:
    return version.checks.get(name="compile")


def test_a_pipeline_is_compiled_with_the_evidence_of_the_comparison(push):
    version = push(reference_like())

    check = compile_of(version)
    assert (version.status, check.verdict) == ("ready", "passed"), str(
        (check.summary, check.evidence)
    )
    evidence = check.evidence
    assert evidence["rows"]["golden"] == 50
    assert evidence["rows"]["generated"] >= 10_000
    assert evidence["rows"]["at thresholds"] > 100
    assert evidence["thresholds"]["tried"] > 0.9 * evidence["thresholds"]["of"] > 0
    assert evidence["rows_that_differ"] == evidence["labels_that_differ"] == 0
    assert evidence["largest_absolute"] < 1e-9
    assert evidence["graph_sha256"] == version.compiled_sha256
    assert evidence["edition"] == COMPILE_EDITION
    assert evidence["pace"]["onnx"]["one_row_s"] > 0
    graph = storage.read_blob(version.compiled_sha256)
    assert len(graph) == evidence["graph_bytes"]
    CompiledModel.open(graph, version.parsed_signature)
