"""The compiled graph in a process of the model host answers as it does in a worker."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.errors import CheckRefused
from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.validate import validate_table
from serving.runtimes.base import Answer
from serving.runtimes.compiled.model import CompiledModel, LeftToOriginal
from serving.runtimes.compiled.runtime import FORMAT, envelope, load
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import ModelRaised
from tests.serving.runtimes.compiled.test_compiled_model import ONE, classes_graph
from tests.serving.runtimes.hosts import RunningHost, running

FACTS = ModelFacts(
    "a.Model",
    methods=("predict", "predict_proba"),
    outputs=(OutputFacts(None, "string", ("no", "yes")),),
)
KINDS = ("prediction", "probabilities")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running(tmp_path_factory.mktemp("guard") / "host.sock") as started:
        yield started


def scored(host: RunningHost, graph: bytes, batch: pa.RecordBatch) -> Answer:
    artifact = envelope(graph, ONE, FACTS)
    spec = ModelSpec("v:graph", FORMAT, "compiled", hashlib.sha256(artifact).hexdigest())
    return host.client.score(spec, lambda: io.BytesIO(artifact), batch, KINDS, {}, 60)


def numbers(values: Any) -> Any:
    return validate_table(ONE, pa.table({"x": pa.array(values, pa.float64())}))


def test_the_answers_are_those_of_a_worker_to_the_last_bit(host: RunningHost) -> None:
    graph = classes_graph(["no", "yes"])
    rows = numbers(np.random.default_rng(7).random(6_001))  # two blocks and a bit
    here = CompiledModel.open(graph, ONE).score(rows, KINDS)
    assert scored(host, graph, rows.batch) == Answer(here.n_rows, here.blocks)


def test_what_is_left_to_the_original_is_known_by_its_name(host: RunningHost) -> None:
    with pytest.raises(ModelRaised) as refused:
        scored(host, classes_graph(["no", "yes"]), numbers([1.0, None]).batch)
    assert refused.value.evidence["exception"] == LeftToOriginal.__name__


def test_a_graph_that_does_not_open_is_refused() -> None:
    with pytest.raises(CheckRefused):
        load(io.BytesIO(envelope(b"no graph", ONE, FACTS)), FORMAT)
