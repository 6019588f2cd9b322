"""Forty ordinary pipelines, made anew in every run, pass the gate and answer alike in the host."""

from __future__ import annotations

import hashlib
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io

from registry.errors import CheckRefused
from registry.scan import Finding, look
from serving.runtimes.base import Answer
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import HostError
from tests.drawing import IS_LONG, drawn_seed
from tests.serving.runtimes.fresh_pipelines import PIPELINES
from tests.serving.runtimes.fresh_tables import Fresh, Table
from tests.serving.runtimes.hosts import RunningHost, drained, running

ACCEPTED_SHARE = 0.98
# Distributions of scipy.stats: skops cannot save them once they were used, and would run text
# out of the file to restore them.
NEVER = ("randomised_search", "skops")
Counted = Callable[[str, object], None]


def by_joblib(compress: Any = 0, protocol: int | None = None) -> Callable[[Any], bytes]:
    def saved(estimator: Any) -> bytes:
        file = io.BytesIO()
        joblib.dump(estimator, file, compress=compress, protocol=protocol)
        return file.getvalue()

    return saved


def by_pickle(protocol: int) -> Callable[[Any], bytes]:
    return lambda estimator: pickle.dumps(estimator, protocol)


CONTAINERS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "joblib": ("joblib", by_joblib()),
    "joblib, protocol 2": ("joblib", by_joblib(protocol=2)),
    "joblib, protocol 5": ("joblib", by_joblib(protocol=5)),
    "joblib, compress=1": ("joblib", by_joblib(1)),
    "joblib, compress=9": ("joblib", by_joblib(9)),
    "joblib, gzip": ("joblib", by_joblib(("gzip", 3))),
    "joblib, bz2": ("joblib", by_joblib(("bz2", 9))),
    "joblib, xz": ("joblib", by_joblib(("xz", 2))),
    "joblib, lzma": ("joblib", by_joblib(("lzma", 6))),
    "joblib, lz4": ("joblib", by_joblib("lz4")),
    "pickle, protocol 2": ("pickle", by_pickle(2)),
    "pickle, protocol 3": ("pickle", by_pickle(3)),
    "pickle, protocol 4": ("pickle", by_pickle(4)),
    "pickle, protocol 5": ("pickle", by_pickle(5)),
    "skops": ("skops", lambda estimator: bytes(skops.io.dumps(estimator))),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``refusal`` is empty where it was accepted."""

    name: str
    refusal: str = ""
    is_helpful: bool = True
    is_equal: bool = True


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running(tmp_path_factory.mktemp("fresh") / "host.sock") as started, drained(started):
        yield started


@pytest.mark.long
def test_ordinary_pipelines_pass_the_gate_and_answer_bit_for_bit_in_the_host(
    host: RunningHost, record_property: Counted
) -> None:
    seed = drawn_seed()
    outcomes = [
        outcome
        for number, name in enumerate(PIPELINES)
        for outcome in outcomes_of(host, name, seed + number, number + seed)
    ]
    refused = [one for one in outcomes if one.refusal]
    record_property(
        "counted",
        f"fresh pipelines: {len(outcomes)} files of {len(PIPELINES)} pipelines of seed {seed}, "
        f"{len(refused)} refused",
    )
    for one in refused:
        record_property("counted", f"  refused: {one.name}: {one.refusal}")

    assert [one.name for one in outcomes if not one.is_equal] == [], f"seed {seed}"
    assert [one.name for one in refused if not one.is_helpful] == [], f"seed {seed}"
    assert len(refused) <= (1 - ACCEPTED_SHARE) * len(outcomes), [str(one) for one in refused]


def outcomes_of(host: RunningHost, name: str, seed: int, turn: int) -> Iterator[Outcome]:
    """One container in turn, or all of them in a long run."""
    fresh = fitted(name, seed)
    expected = expected_of(fresh)
    every = [container for container in CONTAINERS if (name, container) != NEVER]
    for container in every if IS_LONG else (every[turn % len(every)],):
        format, save = CONTAINERS[container]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = save(fresh.estimator)
        yield outcome_of(host, f"{name} as {container}", content, format, fresh, expected)


def fitted(name: str, seed: int) -> Fresh:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small data do not converge
        return PIPELINES[name](Table(seed))


def expected_of(fresh: Fresh) -> dict[str, list[list[Any]]]:
    """The estimator's own answers: kind -> columns."""
    methods = {"prediction": "predict", "probabilities": "predict_proba"}
    if hasattr(fresh.estimator, "decision_function"):
        methods["decision"] = "decision_function"
    return {
        kind: columns_of(getattr(fresh.estimator, method)(fresh.x))
        for kind, method in methods.items()
        if hasattr(fresh.estimator, method)
    }


def columns_of(answer: Any) -> list[list[Any]]:
    parts = answer if isinstance(answer, list) else [answer]
    arrays = [np.asarray(part) for part in parts]
    return [
        column.tolist() for array in arrays for column in ([array] if array.ndim == 1 else array.T)
    ]


def outcome_of(
    host: RunningHost,
    name: str,
    content: bytes,
    format: str,
    fresh: Fresh,
    expected: dict[str, list[list[Any]]],
) -> Outcome:
    finding = look(io.BytesIO(content), len(content), format)
    if finding.verdict != "passed":
        return Outcome(name, f"{finding.verdict}: {finding.summary}", is_helpful(finding))
    spec = ModelSpec(name, format, "sklearn", hashlib.sha256(content).hexdigest())
    try:
        with host.client.inspect(lambda: io.BytesIO(content), spec) as child:
            child.load()
            answer = child.score(fresh.batch, tuple(expected), {})
    except (CheckRefused, HostError) as refused:
        return Outcome(name, f"in the host: {refused} {refused.evidence}", is_helpful=False)
    return Outcome(name, is_equal=answered(answer, tuple(expected)) == expected)


def is_helpful(finding: Finding) -> bool:
    """Whether the refusal names what it is about, where that is a global, and says what to do."""
    evidence = finding.evidence
    names = [evidence["global"]] if "global" in evidence else evidence.get("untrusted_types", [])
    return "What to do: " in finding.summary and all(name in finding.summary for name in names[:1])


def answered(answer: Answer, kinds: tuple[str, ...]) -> dict[str, list[list[Any]]]:
    return {
        kind: [array.to_pylist() for block in answer.blocks if block.kind == kind
               for array in block.arrays]
        for kind in kinds
    }  # fmt: skip
