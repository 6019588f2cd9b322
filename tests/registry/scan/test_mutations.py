"""Changed harmless files: looking ends as a finding, and loading and scoring in a contained way."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from registry.errors import CheckRefused, InvalidField
from registry.scan import REASONS, look
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import (
    HostError,
    ModelDied,
    ModelOutOfMemory,
    ModelRaised,
)
from tests.drawing import IS_LONG, amount, seed
from tests.hostile.mutations import Mutation, Original, array_places, mutated
from tests.registry.scan.test_corpus import FOLDER, listed
from tests.serving.runtimes.fresh_pipelines import PIPELINES
from tests.serving.runtimes.fresh_tables import Fresh, Table
from tests.serving.runtimes.hosts import RunningHost, drained, running

MUTATED = 10_000
HANG_S = 10
FEW_PIPELINES = 10
Counted = Callable[[str, object], None]
Bases = dict[str, Fresh]


class Hung(BaseException):
    """Looking took too long. No Exception: a reader must not take it for the file's fault."""


@contextmanager
def not_hanging() -> Iterator[None]:
    def hung(*_: Any) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def bases_of(drawn_from: int) -> Bases:
    """Fitted models with rows: drawn pipelines, and those whose arrays compiled code trusts."""
    table = Table(drawn_from)
    names = list(PIPELINES) if IS_LONG else random.Random(drawn_from).sample(
        list(PIPELINES), FEW_PIPELINES
    )  # fmt: skip
    made = {name: PIPELINES[name](Table(drawn_from)) for name in names}
    return made | {
        "logistic": table.on_matrix(LogisticRegression(), table.names),
        "forest": table.on_matrix(RandomForestClassifier(4, max_depth=4), table.names),
        "tree": table.on_names(DecisionTreeRegressor(max_depth=5), table.both),
        "kd tree": table.on_matrix(KNeighborsClassifier(3, algorithm="kd_tree"), table.names),
        "ball tree": table.on_matrix(KNeighborsRegressor(3, algorithm="ball_tree"), table.amount),
        "libsvm": table.on_matrix(SVC(), table.three),
        "isolation": table.on_matrix(IsolationForest(n_estimators=4)),
    }


def originals_of(bases: Bases) -> list[Original]:
    """Every base as joblib, and in two of the other ways in turn."""
    found = []
    for number, (name, base) in enumerate(bases.items()):
        plain = io.BytesIO()
        joblib.dump(base.estimator, plain)
        protocol = number % 4 + 2
        stream = plain.getvalue()
        packs = ("zlib", "gzip", "bz2", "xz", "lzma", "lz4")
        for pack in ("raw", packs[number % len(packs)]):
            found.append(Original(name, "joblib", stream, pack, array_places(stream)))
        if number % 2:
            found.append(Original(name, "skops", bytes(skops.io.dumps(base.estimator))))
        else:
            found.append(Original(name, "pickle", pickle.dumps(base.estimator, protocol)))
    return [*found, *graphs_of(bases), *benign_of_the_corpus()]


def graphs_of(bases: Bases) -> Iterator[Original]:
    for name in ("logistic", "forest"):
        row = np.asarray(bases[name].x)[:1].astype(np.float32)
        graph = to_onnx(bases[name].estimator, row)
        yield Original(name, "onnx", graph.SerializeToString())


def benign_of_the_corpus() -> list[Original]:
    return [
        Original(f"corpus {row['file']}", "joblib", (Path(FOLDER) / row["file"]).read_bytes())
        for row in listed()
        if FOLDER and row["expected"] == "benign" and row["file"].endswith(".joblib")
    ]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running(tmp_path_factory.mktemp("mutated") / "host.sock") as started, drained(started):
        yield started


@pytest.mark.long
def test_changed_files_end_as_a_finding_and_what_passes_is_contained(
    host: RunningHost, record_property: Counted
) -> None:
    drawn_from, count = seed(), amount(MUTATED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters and small data
        bases = bases_of(drawn_from)
        originals = originals_of(bases)
    parent = host.client.status()["pid"]
    kinds: Counter[str] = Counter()
    ends: list[str] = []
    for index in range(count):
        mutation = mutated(originals, drawn_from, index)
        if mutation.content == mutation.original.content:
            kinds["unchanged"] += 1
            continue
        kind = kind_of_end(host, mutation, bases.get(mutation.original.name))
        kinds[kind] += 1
        if kind.startswith(("died", "out of memory")):
            ends.append(f"{kind}: file {index}, {mutation.recipe}")
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    record_property("counted", f"mutations: {count} of seed {drawn_from}: {told}")
    for line in ends:
        record_property("counted", f"  {line}")

    assert host.client.status()["pid"] == parent
    # Contained, and yet each of them is a hole in the checks of a model's structure.
    assert [line for line in ends if line.startswith("died")] == []
    # The gate and the loader go by one list: what passed has no name that the loader refuses.
    assert not kinds["refused at load: pickle-untrusted-global"]
    assert kinds["refused by looking"]
    assert kinds["answered"]


def kind_of_end(host: RunningHost, mutation: Mutation, base: Fresh | None) -> str:
    """How it ends; whatever is none of the ways foreseen is raised."""
    content, format = mutation.content, mutation.original.format
    with not_hanging():
        finding = look(io.BytesIO(content), len(content), format)
    if finding.verdict != "passed":
        assert finding.verdict == "failed"
        assert finding.reason in REASONS
        return "refused by looking"
    runtime = "onnx" if format == "onnx" else "sklearn"
    spec = ModelSpec("mutated", format, runtime, hashlib.sha256(content).hexdigest())
    try:
        with host.client.inspect(lambda: io.BytesIO(content), spec, deadline_s=HANG_S) as child:
            child.load()
            if base is not None:
                child.score(base.batch, (), {})
    except CheckRefused as refused:
        is_structure = refused.reason.startswith("structure-")
        return "refused by structure" if is_structure else f"refused at load: {refused.reason}"
    except InvalidField:
        return "answered that the rows do not fit"
    except ModelDied as died:
        return f"died of {died.evidence.get('cause')}"
    except ModelOutOfMemory:
        return "out of memory"
    except ModelRaised:
        return "raised"
    except HostError:
        return "gave an answer that is no answer"
    return "answered"


def test_the_same_seed_gives_the_same_mutations() -> None:
    content = bytes(range(256)) * 4
    originals = [Original("a", "pickle", content), Original("b", "joblib", content, "zlib")]
    first = [mutated(originals, 3, index).content for index in range(50)]
    assert first == [mutated(originals, 3, index).content for index in range(50)]
    assert first != [mutated(originals, 4, index).content for index in range(50)]
