"""Who answers: the compiled graph, or the original where the graph cannot or must not."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from registry.errors import Overloaded
from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.types import Column, Signature
from registry.signature.validate import Validated, validate_rows
from serving.actions import scoring
from serving.actions.scoring import score
from serving.actions.targets import Target
from serving.runtimes.base import Answer, Block
from serving.runtimes.compiled.model import DeadlinePassed, LeftToOriginal
from serving.runtimes.isolation.errors import ModelDied, ModelRaised

SIGNATURE = Signature((Column("x", "float64"),))
FACTS = ModelFacts(
    "a.Model",
    methods=("predict", "predict_proba"),
    outputs=(OutputFacts(None, "string", ("n", "y")),),
)


def target(compiled: str = "c" * 64) -> Target:
    return Target(
        model="m",
        number=1,
        version_id=uuid.uuid4(),
        sha256="a" * 64,
        format="skops",
        runtime="sklearn",
        golden_sha256="",
        hides_cells=False,
        signature=SIGNATURE,
        facts=FACTS,
        compiled_sha256=compiled,
    )


def says(word: str, n_rows: int) -> Answer:
    return Answer(n_rows, (Block("prediction", None, None, (pa.array([word] * n_rows),)),))


class Graph:
    """Stands for an opened graph."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.leaves = self.is_slow = False

    def score(self, validated: Validated, outputs: Sequence[str], *, deadline_s: float) -> Answer:
        self.asked.append(tuple(outputs))
        if self.is_slow:
            raise DeadlinePassed(f"{deadline_s} s are over")
        if self.leaves:
            raise LeftToOriginal("a row is refused")
        return says("graph", validated.n_good)


class Host:
    """Stands for the model host."""

    def score(
        self, spec: Any, open_artifact: Any, batch: pa.RecordBatch, *rest: Any, **_: Any
    ) -> Any:
        return says("original", batch.num_rows)


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    graph = Graph()
    monkeypatch.setattr(scoring, "engine_of", lambda target: graph)
    monkeypatch.setattr(scoring, "host", Host)
    return graph


def who(target: Target, rows: Sequence[Any] = ([1.0], [2.0]), **asked: Any) -> list[str]:
    answer = score(target, validate_rows(SIGNATURE, list(rows)), **asked)
    assert answer.n_rows == len(rows)
    found: list[str] = answer.blocks[0].arrays[0].to_pylist()
    return found


def test_the_graph_answers_for_a_target_that_has_one(graph: Graph) -> None:
    assert who(target()) == ["graph", "graph"]
    assert who(target(), outputs=["probabilities"]) == ["graph", "graph"]
    assert graph.asked == [("prediction", "probabilities"), ("probabilities",)]


def test_a_target_without_a_graph_is_answered_by_the_original(graph: Graph) -> None:
    assert who(target(compiled="")) == ["original", "original"]
    assert graph.asked == []


def test_the_original_answers_all_rows_that_the_graph_leaves(graph: Graph) -> None:
    graph.leaves = True

    assert who(target()) == ["original", "original"]
    assert len(graph.asked) == 1


def test_the_original_answers_while_the_graph_does_not_open(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "engine_of", lambda target: None)

    assert who(target()) == ["original", "original"]


def test_params_go_to_the_original_which_knows_them(graph: Graph) -> None:
    assert who(target(), params={"k": 1}) == ["original", "original"]
    assert who(target(), params={}) == ["graph", "graph"]


def test_a_graph_past_the_deadline_ends_the_call_as_the_host_would(graph: Graph) -> None:
    graph.is_slow = True

    with pytest.raises(ModelDied, match="did not answer in time") as told:
        who(target(), deadline_s=0.5)
    assert told.value.evidence == {"cause": "deadline"}
    assert "0.5 s" in str(told.value.__cause__)


def test_runs_of_many_rows_wait_for_their_turn_and_those_of_few_do_not(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes memory of its own: 64 threads of a process must not run them all at once."""
    monkeypatch.setattr(scoring, "_turns", threading.BoundedSemaphore(1))
    many = [[1.0]] * (scoring.FEW_ROWS + 1)
    with scoring._turn(1.0):
        with pytest.raises(Overloaded, match="Too many large requests"):
            who(target(), many, deadline_s=0.01)
        assert who(target()) == ["graph", "graph"]
        # Nobody waits where enough others do: a thread is held for as long.
        monkeypatch.setattr(scoring, "_waiting", threading.BoundedSemaphore(1))
        with scoring._waiting, pytest.raises(Overloaded, match="Too many large requests"):
            who(target(), many, deadline_s=3600)
    graph.leaves = True
    assert set(who(target(), many)) == {"original"}  # a turn that failed is given back
    graph.leaves = False
    assert set(who(target(), many)) == {"graph"}


class GuardingHost(Host):
    """Runs graphs too, as the model host does; ``raises`` what a graph's process tells."""

    raises: Exception | None = None

    def score(
        self, spec: Any, open_artifact: Any, batch: pa.RecordBatch, *rest: Any, **more: Any
    ) -> Any:
        if spec.runtime != "compiled":
            return super().score(spec, open_artifact, batch, *rest, **more)
        assert hashlib.sha256(open_artifact().read()).hexdigest() == spec.sha256
        if self.raises is not None:
            raise self.raises
        return says("guarded graph", batch.num_rows)


@pytest.fixture
def guarding(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> GuardingHost:
    host = GuardingHost()
    monkeypatch.setattr(scoring, "host", lambda: host)
    monkeypatch.setattr(scoring.storage, "read_blob", lambda sha256: b"graph " + sha256.encode())
    return host


def test_a_guarded_graph_is_never_run_in_this_process(graph: Graph, guarding: GuardingHost) -> None:
    assert who(target(), guarded=True) == ["guarded graph"] * 2
    assert who(target(compiled=""), guarded=True) == ["original"] * 2
    assert who(target(), params={"k": 1}, guarded=True) == ["original"] * 2
    assert graph.asked == []


def test_the_original_answers_what_a_guarded_graph_leaves(guarding: GuardingHost) -> None:
    guarding.raises = ModelRaised("It raised.", {"exception": "LeftToOriginal"})
    assert who(target(), guarded=True) == ["original"] * 2


@pytest.mark.parametrize(
    "error", [ModelDied("It died."), ModelRaised("It raised.", {"exception": "ValueError"})]
)
def test_what_else_becomes_of_a_guarded_graph_is_told(
    guarding: GuardingHost, error: Exception
) -> None:
    guarding.raises = error
    with pytest.raises(type(error)):
        who(target(), guarded=True)
