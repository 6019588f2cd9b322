"""``score()``: the only path from validated rows to predictions.

REST, batch, the page's form and the checks all come through here. The rows were validated against
the signature by ``registry.signature.validate``; this decides what is asked, lets the compiled
graph or the model host answer, and holds the answer to its promise: as many answers as rows.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Literal

from registry import storage
from registry.errors import Overloaded
from registry.signature.facts import ModelFacts
from registry.signature.validate import Validated
from serving.actions.engines import engine_of
from serving.actions.held import answer_cells
from serving.actions.host import host
from serving.actions.targets import Target
from serving.runtimes.answer_size import FEW_ROWS, require_few, values_per_row
from serving.runtimes.base import Answer, available_outputs, default_outputs, require_offered
from serving.runtimes.compiled.model import DeadlinePassed, LeftToOriginal
from serving.runtimes.compiled.runtime import FORMAT, envelope
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import ModelDied, ModelRaised

OnRowError = Literal["fail", "skip"]
DEADLINE_S = 30.0
# More runs of many rows at once would not be faster, and each takes memory of its own.
_turns = BoundedSemaphore(len(os.sched_getaffinity(0)))
# Those that wait hold a thread each: with the calls that wait for models (``host.MAX_CALLS``) there
# have to be fewer than threads.
WAITING_MAX = 8
_waiting = BoundedSemaphore(WAITING_MAX)


def score(
    target: Target,
    validated: Validated,
    *,
    outputs: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    on_row_error: OnRowError = "fail",
    deadline_s: float = DEADLINE_S,
    is_bounded: bool = True,
    guarded: bool = False,
) -> Answer:
    """Answers for the good rows of ``validated``, in their order.

    ``outputs`` None means prediction, and probabilities where the model has them. Raises
    InvalidField for an output that the model lacks, InvalidRows for bad rows unless they are to
    be skipped, TooLarge for an answer with too many values unless it is not ``is_bounded``,
    ModelFailed, ModelLoading, and Overloaded while the model host is away. No rows give an answer
    without blocks. ``guarded``: the compiled graph is run in the model host, never in this process.
    """
    asked = choose_outputs(target.facts, outputs)
    if on_row_error == "fail":
        validated.refuse_bad_rows()
    if not validated.n_good:
        return Answer(0, ())
    is_large = is_bounded and validated.n_good > FEW_ROWS
    if is_large:
        require_few(validated.n_good, values_per_row(target.facts, asked))
    answer = None
    if target.compiled_sha256 and not params:
        by_graph = _by_guarded_graph if guarded else _by_graph
        answer = by_graph(target, validated, asked, deadline_s)
    if answer is None:
        answer = _by_original(target, validated, asked, dict(params or {}), deadline_s)
    if is_large:  # what the facts did not say: the classes of some models
        require_few(answer.n_rows, answer_cells(answer) // answer.n_rows)
    return answer


def _by_original(
    target: Target,
    validated: Validated,
    asked: tuple[str, ...],
    params: dict[str, Any],
    deadline_s: float,
) -> Answer:
    return host().score(
        target.spec,
        partial(storage.open_verified, target.sha256),
        validated.batch,
        asked,
        params,
        deadline_s,
        golden=partial(load_golden, target.golden_sha256) if target.golden_sha256 else None,
    )


def _by_graph(
    target: Target, validated: Validated, asked: tuple[str, ...], deadline_s: float
) -> Answer | None:
    """What the compiled graph answers; None where the original has to.

    That is so for all rows of a call when the original would raise on one of them: the error is
    then told in its own words. Raises ModelDied at the deadline, as the host does: the original
    is slower. Raises Overloaded where other large requests left no room in time.
    """
    engine = engine_of(target)
    if engine is None:
        return None
    try:
        if validated.n_good <= FEW_ROWS:
            return engine.score(validated, asked, deadline_s=deadline_s)
        with _turn(deadline_s) as left_s:
            return engine.score(validated, asked, deadline_s=left_s)
    except LeftToOriginal:
        return None
    except DeadlinePassed as error:
        raise ModelDied("The model did not answer in time.", {"cause": "deadline"}) from error


def _by_guarded_graph(
    target: Target, validated: Validated, asked: tuple[str, ...], deadline_s: float
) -> Answer | None:
    """What the same graph answers in a process of the model host; None as of ``_by_graph``.

    Raises ModelDied where a row ends that process, and what else the model host raises.
    """
    graph = storage.read_blob(target.compiled_sha256)
    artifact = envelope(graph, target.signature, target.facts)
    spec = ModelSpec(
        key=f"{target.version_id}:graph",
        format=FORMAT,
        runtime="compiled",
        sha256=hashlib.sha256(artifact).hexdigest(),
    )
    try:
        return host().score(
            spec, partial(io.BytesIO, artifact), validated.batch, asked, {}, deadline_s
        )
    except ModelRaised as error:
        if error.evidence.get("exception") == LeftToOriginal.__name__:
            return None
        raise


@contextmanager
def _turn(deadline_s: float) -> Iterator[float]:
    """One of the runs of many rows that go on at once; the seconds left of the deadline.

    Raises Overloaded where none came free in time, and at once where enough others wait.
    """
    began_s = time.monotonic()
    if not (_turns.acquire(blocking=False) or _waited(deadline_s)):
        raise Overloaded("Too many large requests at once.", retry_after_s=1)
    try:
        yield deadline_s - (time.monotonic() - began_s)
    finally:
        _turns.release()


def _waited(deadline_s: float) -> bool:
    """Wait for a turn, where there is room to wait: whether it came in time."""
    if not _waiting.acquire(blocking=False):
        return False
    try:
        return _turns.acquire(timeout=deadline_s)
    finally:
        _waiting.release()


def choose_outputs(facts: ModelFacts, outputs: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds to ask for. Raises InvalidField with the pointer of a kind that the model lacks."""
    if outputs is None:
        return default_outputs(facts)
    require_offered(facts, outputs)
    return tuple(kind for kind in available_outputs(facts) if kind in outputs)


def load_golden(sha256: str) -> Golden:
    """The golden rows that were stored under this digest."""
    with storage.open_verified(sha256) as file:
        return Golden.from_bytes(file.read())
