"""Real models in a warmed host answer bit for bit as in this process, in one confined thread."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io
from skl2onnx import to_onnx

from registry.errors import CheckRefused
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import HostClient, ModelSpec
from serving.runtimes.isolation.start import environment_for
from serving.runtimes.sklearn.model import SklearnModel
from tests.serving.runtimes.hosts import RunningHost, running
from tests.serving.runtimes.pipelines import CASES, Case, X, classifiers


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    socket = tmp_path_factory.mktemp("warm") / "host.sock"
    with running(socket, max_children=20) as started:
        yield started


def spec_of(key: str, content: bytes, format: str) -> ModelSpec:
    runtime = "onnx" if format == "onnx" else "sklearn"
    return ModelSpec(key, format, runtime, hashlib.sha256(content).hexdigest())


def case_named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_the_host_answers_as_this_process_does(host: RunningHost, name: str) -> None:
    case = case_named(name)
    estimator = case.make()
    content = bytes(skops.io.dumps(estimator))
    here = SklearnModel(copy.deepcopy(estimator))  # which is changed by what is done to it
    expected = here.score(case.batch, case.kinds, {})
    got = host.client.score(
        spec_of(name, content, "skops"),
        lambda: io.BytesIO(content),
        case.batch,
        case.kinds,
        {},
        30,
        lambda: Golden(case.batch, expected),
    )
    assert got == expected


def test_a_joblib_file_and_an_onnx_graph_are_served_alike(host: RunningHost) -> None:
    case = case_named("string labels")
    estimator = case.make()
    file = io.BytesIO()
    joblib.dump(estimator, file, compress=3)
    expected = SklearnModel(estimator).score(case.batch, ("prediction",), {})
    graph = bytes(to_onnx(estimator, X[:1].astype("float32")).SerializeToString())
    for format, content in (("joblib", file.getvalue()), ("onnx", graph)):
        got = host.client.score(
            spec_of(format, content, format),
            lambda content=content: io.BytesIO(content),  # type: ignore[misc]
            case.batch,
            ("prediction",),
            {},
            30,
        )
        assert got == expected


def test_an_inspection_scans_loads_and_scores(host: RunningHost) -> None:
    case = case_named("mixed columns")
    content = bytes(skops.io.dumps(case.make()))
    spec = spec_of("inspected", content, "skops")
    with host.client.inspect(lambda: io.BytesIO(content), spec) as child:
        assert child.scan().verdict == "passed"
        facts = child.load()
        assert facts.input_form == "frame"
        assert child.score(case.batch, (), {}).n_rows == case.batch.num_rows


def test_a_broken_file_is_refused_with_a_reason(host: RunningHost) -> None:
    content = b"PK\x03\x04 and nothing else"
    spec = spec_of("broken", content, "skops")
    with host.client.inspect(lambda: io.BytesIO(content), spec) as child:
        assert child.scan().verdict == "failed"
        with pytest.raises(CheckRefused) as caught:
            child.load()
    assert caught.value.reason == "load-failed"


def test_children_are_confined_and_run_on_one_thread(host: RunningHost) -> None:
    case = case_named("boosting")
    content = bytes(skops.io.dumps(case.make()))
    host.client.score(
        spec_of("confined", content, "skops"),
        lambda: io.BytesIO(content),
        case.batch,
        (),
        {},
        30,
    )
    child = next(c for c in host.client.status()["children"] if c["key"] == "confined")
    status = Path(f"/proc/{child['pid']}/status").read_text()
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert found["NoNewPrivs"] == "1"
    assert found["Threads"] == "1"
    limits = {
        which: resource.prlimit(child["pid"], which)[1]
        for which in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
    }
    assert list(limits.values()) == [0, 0, 512]
    assert resource.prlimit(child["pid"], resource.RLIMIT_NPROC)[1] == 0
    assert resource.prlimit(child["pid"], resource.RLIMIT_CPU)[1] != resource.RLIM_INFINITY
    assert int(found["CapPrm"], 16) == int(found["CapEff"], 16) == 0
    if host.client.status()["confinement"]["level"] == "full":
        assert found["Seccomp"] == "2"
    assert resource.prlimit(child["pid"], resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY


def test_two_clients_score_large_batches_at_once(host: RunningHost) -> None:
    case = classifiers()[1]
    content = bytes(skops.io.dumps(case.make()))
    spec = spec_of("at once", content, "skops")
    expected = SklearnModel(case.make()).score(case.batch, (), {})

    def call(_: int) -> Any:
        mine = HostClient(host.socket)
        try:
            return mine.score(spec, lambda: io.BytesIO(content), case.batch, (), {}, 30)
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(got == expected for got in pool.map(call, range(12)))


def test_the_environment_of_the_host_has_no_secret_and_one_thread() -> None:
    told = {"DATABASE_URL": "postgres://u:p@h/d", "SECRET_KEY": "s", "PATH": "/bin"}
    environment = environment_for(told)
    assert environment["PATH"] == "/bin"
    assert not {"DATABASE_URL", "SECRET_KEY"} & set(environment)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert os.path.isdir(environment["PYTHONPATH"])
