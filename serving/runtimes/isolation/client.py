"""The callers' side of the model host: score with a pooled child, or inspect with one of one's own.

Scoring changes nothing anywhere, so a request whose process ended because of *another* request,
or was evicted, is sent again; the process that ended while it worked on this one is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

import pyarrow as pa

from registry.errors import CheckRefused, InvalidField, ModelLoading
from registry.signature.facts import ModelFacts
from serving.runtimes.base import Answer, answer_from_ipc, batch_to_ipc
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.connection import (
    Clock,
    Connection,
    KeptConnections,
    connect,
    unavailable,
)
from serving.runtimes.isolation.descriptors import descriptor_of, in_memory
from serving.runtimes.isolation.errors import (
    HostBusy,
    HostError,
    HostUnavailable,
    ModelDied,
    ModelNotLoaded,
    ModelRaised,
    from_wire,
)
from serving.runtimes.isolation.protocol import (
    MAX_BODY_BYTES,
    Frame,
    ModelSpec,
    ProtocolError,
    strict_object,
)

if TYPE_CHECKING:
    from registry.scan import Finding

__all__ = ["HostClient", "Inspection", "ModelSpec"]

OpenArtifact = Callable[[], BinaryIO]
Made = TypeVar("Made")

MAX_KEPT = 64
ATTEMPTS = 3
# How long after the deadline the end of the child is waited for: it dies by the same clock.
GRACE_S = 1.5
FATE_WAIT_S = 3.0
# The most that an answer may have: thousands of wide columns, or long texts, for each row.
BODY_BASE_BYTES = 64 * 1024**2
BODY_BYTES_PER_ROW = 256 * 1024


class _Again(Exception):
    """The process ended for a reason that is not this request's: send it again."""


class HostClient:
    """Thread-safe, and safe to keep over a fork. Connects when first used."""

    def __init__(self, socket_path: Path | str, *, max_kept: int = MAX_KEPT) -> None:
        self._path = Path(socket_path)
        self._kept = KeptConnections(max_kept)

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
        HostBusy, InvalidField for outputs or params that the model lacks, and the ModelFailed
        tree of ``errors.py``.
        """
        clock = Clock(deadline_s)
        name = (spec.key, spec.sha256)
        request = {"op": "score", "outputs": list(outputs), "params": dict(params)}
        body = batch_to_ipc(batch)
        for _ in range(ATTEMPTS):
            try:
                connection = self._kept.take(name) or self._join(spec, open_artifact, golden, clock)
                frame = self._converse(connection, clock, request, body, batch.num_rows)
            except _Again:
                if clock.is_over:
                    break
                continue
            if "error" in frame.header:
                self._kept.put(name, connection)
                raise _error_of(frame.header)
            answer = self._checked(connection, frame, batch)
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
        connection = connect(self._path, clock)
        try:
            with ExitStack() as stack:
                fd = stack.enter_context(descriptor_of(open_artifact()))
                header = {"op": "inspect", "spec": spec.to_json()}
                self._greet(connection, clock, header, (fd,))
            try:
                self._await_ready(connection, clock)
            except _Again as reason:
                raise _replaced() from reason
            yield Inspection(self, connection, clock)
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
        connection = connect(self._path, clock)
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
        connection = connect(self._path, clock)
        try:
            header = {"op": "open", "spec": spec.to_json()}
            if self._greet(connection, clock, header) == "need":
                with ExitStack() as stack:
                    fds = [stack.enter_context(descriptor_of(open_artifact()))]
                    if golden is not None:
                        fds.append(stack.enter_context(in_memory(golden().to_bytes())))
                    self._greet(connection, clock, header, tuple(fds))
            self._await_ready(connection, clock)
        except (CheckRefused, InvalidField, ModelRaised) as error:
            connection.close()
            raise _not_loaded(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _greet(
        self,
        connection: Connection,
        clock: Clock,
        header: dict[str, Any],
        fds: tuple[int, ...] = (),
    ) -> str:
        """Speak with the parent until it hands the connection over, or needs the artifact."""
        try:
            told = connection.exchange(clock, header, fds=fds).header
        except TimeoutError as error:
            raise _busy() from error
        except (EOFError, OSError, ProtocolError) as error:
            raise unavailable() from error
        if "error" in told:
            raise _error_of(told)
        if "need" in told:
            return "need"
        connection.child, connection.number = int(told["child"]), int(told["conn"])
        connection.was_loading = bool(told["loading"])
        return "child"

    def _await_ready(self, connection: Connection, clock: Clock) -> None:
        try:
            told = connection.receive(clock, max_body_bytes=0).header
        except TimeoutError as error:
            if connection.was_loading:
                raise ModelLoading("The model is being loaded.", retry_after_s=2) from error
            raise _busy() from error
        except ProtocolError as error:
            self._blame(connection, "garbage")
            raise _unreadable() from error
        except (EOFError, OSError):
            self._explain(connection)
        if "error" in told:
            raise _error_of(told)

    def _converse(
        self,
        connection: Connection,
        clock: Clock,
        request: dict[str, Any],
        body: Any = b"",
        n_rows: int = 0,
    ) -> Frame:
        """One request to a child; its answer may be an error that it tells of.

        The connection is closed unless a whole answer has come: a late answer must never be
        taken for that of the next request. Raises why the child ended.
        """
        try:
            header = request | {"until": clock.until}
            most = min(BODY_BASE_BYTES + n_rows * BODY_BYTES_PER_ROW, MAX_BODY_BYTES)
            frame = connection.exchange(clock, header, body, grace_s=GRACE_S, max_body_bytes=most)
            if "error" not in frame.header and "ok" not in frame.header:
                raise ProtocolError("an answer is an error or is not one")
            return frame
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                self._blame(connection, "silence")
                raise _busy() from error
            if isinstance(error, ProtocolError):
                self._blame(connection, "garbage")
                raise _unreadable() from error
            if isinstance(error, EOFError | OSError):
                self._explain(connection)
            raise

    def _checked(self, connection: Connection, frame: Frame, batch: pa.RecordBatch) -> Answer:
        """The answer in a frame; one that is none ends the process. Raises HostError."""
        try:
            answer = answer_from_ipc(frame.body)
            if answer.n_rows == batch.num_rows:
                return answer
        except ValueError as error:
            connection.close()
            self._blame(connection, "garbage")
            raise _unreadable() from error
        connection.close()
        self._blame(connection, "garbage")
        raise HostError("The model gave another number of answers than it was given rows.")

    def _blame(self, connection: Connection, why: str) -> None:
        """Have the parent look at the process. Raises ModelDied when it was ended for silence."""
        clock = Clock(FATE_WAIT_S)
        about = {"op": "blame", "child": connection.child, "conn": connection.number, "why": why}
        try:
            told = self._asked(clock, about)
        except (HostUnavailable, TimeoutError):
            return
        if why == "silence" and told.get("serving") == connection.number:
            raise _error_of(told)

    def _asked(self, clock: Clock, question: dict[str, Any]) -> dict[str, Any]:
        """The parent's answer. Raises TimeoutError and HostUnavailable."""
        asking = connect(self._path, clock)
        try:
            return asking.exchange(clock, question).header
        except TimeoutError:
            raise
        except (EOFError, OSError, ProtocolError) as error:
            raise unavailable() from error
        finally:
            asking.close()

    def _explain(self, connection: Connection) -> NoReturn:
        """Ask the parent how the child ended, and raise accordingly."""
        question = {"op": "fate", "child": connection.child, "conn": connection.number}
        try:
            told = self._asked(Clock(FATE_WAIT_S), question)
        except TimeoutError as error:
            # The process lives: it has closed this connection, to a caller that stalled.
            raise HostBusy("The model's process closed the connection.", retry_after_s=1) from error
        if told.get("fate") in ("evicted", "unknown"):
            raise _Again
        mine = told.get("loading") or told.get("serving") == connection.number
        if told.get("fate") == "died" and not mine:
            raise _Again
        raise _error_of(told)


class Inspection:
    """One disposable child with one artifact."""

    def __init__(self, client: HostClient, connection: Connection, clock: Clock) -> None:
        self._client, self._connection, self._clock = client, connection, clock

    def scan(self) -> Finding:
        """Look inside without constructing anything."""
        from registry.scan import Finding

        return self._read({"op": "scan"}, lambda told: Finding(**told))

    def load(self) -> ModelFacts:
        """Load the artifact and tell what it is. Raises CheckRefused with reason and remedy."""
        return self._read({"op": "load"}, ModelFacts.from_json)

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer with the loaded model; ``load`` comes first."""
        request = {"op": "score", "outputs": list(outputs), "params": dict(params)}
        frame = self._request(request, batch_to_ipc(batch), batch.num_rows)
        return self._client._checked(self._connection, frame, batch)

    def _read(self, request: dict[str, Any], make: Callable[[dict[str, Any]], Made]) -> Made:
        """What a JSON body tells; a body that tells nothing ends the process."""
        frame = self._request(request)
        try:
            return make(strict_object(frame.body))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._client._blame(self._connection, "garbage")
            raise _unreadable() from error

    def _request(self, request: dict[str, Any], body: Any = b"", n_rows: int = 0) -> Frame:
        try:
            frame = self._client._converse(self._connection, self._clock, request, body, n_rows)
        except _Again as reason:
            raise _replaced() from reason
        if "error" in frame.header:
            raise _error_of(frame.header)
        return frame


def _busy() -> HostBusy:
    return HostBusy("The model was busy until the deadline.", retry_after_s=1)


def _unreadable() -> HostError:
    return HostError("The model's process gave an answer that cannot be read.")


def _not_loaded(error: CheckRefused | InvalidField | ModelRaised) -> ModelNotLoaded:
    """The same refusal from the point of view of somebody who scores."""
    evidence = {"message": str(error)}
    if isinstance(error, CheckRefused):
        evidence |= {"reason": error.reason, **error.evidence}
    elif isinstance(error, ModelRaised):
        evidence |= error.evidence
    return ModelNotLoaded("The stored model does not load here.", evidence)


def _replaced() -> ModelDied:
    return ModelDied("The process of the inspection was ended.", {"cause": "evicted"})


def _error_of(told: Mapping[str, Any]) -> Exception:
    error = told.get("error")
    return from_wire(error if isinstance(error, Mapping) else {})
