"""Callers of the model host: score with a pooled child, or inspect with one of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from registry.errors import CheckRefused, InvalidField
from serving.runtimes.base import Answer, batch_to_ipc
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.connection import Clock, Connection, KeptConnections, unavailable
from serving.runtimes.isolation.conversation import Again, Conversation, error_of
from serving.runtimes.isolation.descriptors import descriptor_of, in_memory
from serving.runtimes.isolation.errors import (
    HostBusy,
    HostUnavailable,
    ModelNotLoaded,
    ModelRaised,
)
from serving.runtimes.isolation.inspection import Inspection, replaced
from serving.runtimes.isolation.places import Places
from serving.runtimes.isolation.protocol import ModelSpec, ProtocolError

__all__ = ["HostClient", "Inspection", "ModelSpec"]

OpenArtifact = Callable[[], BinaryIO]

MAX_KEPT = 64
# No bound: for processes that call one after another.
ANY_NUMBER = sys.maxsize
ATTEMPTS = 4


class HostClient:
    """Thread-safe, and safe to keep over a fork. Connects when first used."""

    def __init__(
        self,
        socket_path: Path | str,
        *,
        max_kept: int = MAX_KEPT,
        max_calls: int = ANY_NUMBER,
        max_calls_of_one: int = ANY_NUMBER,
    ) -> None:
        """``max_calls`` at once of this process, ``max_calls_of_one`` of them for one model."""
        self._talk = Conversation(Path(socket_path))
        self._kept = KeptConnections(max_kept)
        self._places = Places(max_calls, max_calls_of_one)

    def score(
        self,
        spec: ModelSpec,
        open_artifact: OpenArtifact,
        batch: pa.RecordBatch,
        outputs: tuple[str, ...],
        params: Mapping[str, Any],
        deadline_s: float,
        golden: Callable[[], Golden] | None = None,
    ) -> Answer:
        """Answer the batch with the pooled child of that spec, which is made when there is none.

        ``open_artifact`` and ``golden`` are only called for a fresh load; a child whose golden
        rows come out differently answers nobody. Empty ``outputs`` mean the model's default.

        Raises ModelLoading when the deadline comes before the load is over, HostUnavailable,
        HostBusy (at once, where as many calls as may wait are waiting), InvalidField for outputs
        or params that the model lacks, and the ModelFailed tree of ``errors.py``.
        """
        with self._places.one_for((spec.key, spec.sha256)):
            return self._score(
                spec, open_artifact, batch, outputs, params, Clock(deadline_s), golden
            )

    def _score(
        self,
        spec: ModelSpec,
        open_artifact: OpenArtifact,
        batch: pa.RecordBatch,
        outputs: tuple[str, ...],
        params: Mapping[str, Any],
        clock: Clock,
        golden: Callable[[], Golden] | None,
    ) -> Answer:
        name = (spec.key, spec.sha256)
        request = {"op": "score", "outputs": list(outputs), "params": dict(params)}
        body = batch_to_ipc(batch)
        for _ in range(ATTEMPTS):
            try:
                connection = self._kept.take(name) or self._join(spec, open_artifact, golden, clock)
                frame = self._talk.converse(connection, clock, request, body, batch.num_rows)
            except Again:
                if clock.is_over:
                    break
                continue
            if "error" in frame.header:
                self._kept.put(name, connection)
                raise error_of(frame.header)
            answer = self._talk.checked(connection, frame, batch)
            self._kept.put(name, connection)
            return answer
        raise HostBusy("The model's process was replaced again and again.", retry_after_s=1)

    @contextmanager
    def inspect(
        self, open_artifact: OpenArtifact, spec: ModelSpec, *, deadline_s: float = 120.0
    ) -> Iterator[Inspection]:
        """A child of one's own, which ends with the block. Waits for a free place.

        ``deadline_s`` is for everything together. Raises HostUnavailable and HostBusy.
        """
        clock = Clock(deadline_s)
        connection = self._talk.connect(clock)
        try:
            with ExitStack() as stack:
                fd = stack.enter_context(descriptor_of(open_artifact()))
                header = {"op": "inspect", "spec": spec.to_json()}
                self._talk.greet(connection, clock, header, (fd,))
            try:
                self._talk.await_ready(connection, clock)
            except Again as reason:
                raise replaced() from reason
            yield Inspection(self._talk, connection, clock)
        finally:
            connection.close()

    def alive(self) -> bool:
        """Whether the host answers within two seconds."""
        try:
            self.status()
        except HostUnavailable:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """What the host runs: its pid, and each child's key, pid, state and requests served."""
        clock = Clock(2.0)
        connection = self._talk.connect(clock)
        try:
            return connection.exchange(clock, {"op": "status"}).header
        except (EOFError, OSError, ProtocolError) as error:
            raise unavailable() from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _join(
        self,
        spec: ModelSpec,
        open_artifact: OpenArtifact,
        golden: Callable[[], Golden] | None,
        clock: Clock,
    ) -> Connection:
        """A connection to the loaded child of that spec."""
        connection = self._talk.connect(clock)
        try:
            header = {"op": "open", "spec": spec.to_json()}
            if self._talk.greet(connection, clock, header) == "need":
                with ExitStack() as stack:
                    fds = [stack.enter_context(descriptor_of(open_artifact()))]
                    if golden is not None:
                        fds.append(stack.enter_context(in_memory(golden().to_bytes())))
                    self._talk.greet(connection, clock, header, tuple(fds))
            self._talk.await_ready(connection, clock)
        except (CheckRefused, InvalidField, ModelRaised) as error:
            connection.close()
            raise _not_loaded(error) from error
        except BaseException:
            connection.close()
            raise
        return connection


def _not_loaded(error: CheckRefused | InvalidField | ModelRaised) -> ModelNotLoaded:
    """The same refusal from the point of view of somebody who scores."""
    evidence = {"message": str(error)}
    if isinstance(error, CheckRefused):
        evidence |= {"reason": error.reason, **error.evidence}
    elif isinstance(error, ModelRaised):
        evidence |= error.evidence
    return ModelNotLoaded("The stored model does not load here.", evidence)
