"""One caller's talk with the model host: being handed to a child, one request, and its end.

Scoring changes nothing anywhere, so a request whose process ended because of *another* request,
or was evicted, is sent again; the process that ended while it worked on this one is an error.
Where it worked on several, all are sent again, and the next process scores them one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from registry.errors import ModelLoading
from serving.runtimes.base import Answer
from serving.runtimes.isolation.connection import Clock, Connection, connect, unavailable
from serving.runtimes.isolation.errors import HostBusy, HostError, HostUnavailable, from_wire
from serving.runtimes.isolation.protocol import MAX_BODY_BYTES, Frame, ProtocolError
from serving.runtimes.isolation.wire import AnswerReader

# How long after the deadline the end of the child is waited for: it dies by the same clock.
GRACE_S = 1.5
FATE_WAIT_S = 3.0
# The most that an answer may have: thousands of wide columns, or long texts, for each row.
BODY_BASE_BYTES = 64 * 1024**2
BODY_BYTES_PER_ROW = 256 * 1024


class Again(Exception):
    """The process ended for a reason that is not this request's: send it again."""


class Conversation:
    """With the host behind ``path``, and with the children that it hands connections to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers = AnswerReader()

    def connect(self, clock: Clock) -> Connection:
        """A new connection to the host. Raises HostUnavailable."""
        return connect(self._path, clock)

    def greet(
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
            raise error_of(told)
        if "need" in told:
            return "need"
        connection.child, connection.number = int(told["child"]), int(told["conn"])
        connection.was_loading = bool(told["loading"])
        return "child"

    def await_ready(self, connection: Connection, clock: Clock) -> None:
        """Wait for the child's greeting. Raises ModelLoading, HostError, Again."""
        try:
            told = connection.receive(clock, max_body_bytes=0).header
        except TimeoutError as error:
            if connection.was_loading:
                raise ModelLoading("The model is being loaded.", retry_after_s=2) from error
            raise _busy() from error
        except ProtocolError as error:
            self.blame(connection, "garbage")
            raise unreadable() from error
        except (EOFError, OSError):
            self._explain(connection, clock)
        if "error" in told:
            raise error_of(told)

    def converse(
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
            header = request | {"until": clock.until, "rows": n_rows}
            most = min(BODY_BASE_BYTES + n_rows * BODY_BYTES_PER_ROW, MAX_BODY_BYTES)
            frame = connection.exchange(
                clock, header, body, grace_s=GRACE_S, max_body_bytes=most, is_only=True
            )
            if "error" not in frame.header and "ok" not in frame.header:
                raise ProtocolError("an answer is an error or is not one")
            return frame
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                self.blame(connection, "silence")
                raise _busy() from error
            if isinstance(error, ProtocolError):
                self.blame(connection, "garbage")
                raise unreadable() from error
            if isinstance(error, EOFError | OSError):
                self._explain(connection, clock)
            raise

    def checked(self, connection: Connection, frame: Frame, batch: pa.RecordBatch) -> Answer:
        """The answer in a frame; one that is none ends the process. Raises HostError."""
        try:
            answer = self._answers.read(frame.body)
            if answer.n_rows == batch.num_rows:
                return answer
        except ValueError as error:
            connection.close()
            self.blame(connection, "garbage")
            raise unreadable() from error
        connection.close()
        self.blame(connection, "garbage")
        raise HostError("The model gave another number of answers than it was given rows.")

    def blame(self, connection: Connection, why: str) -> None:
        """Have the parent look at the process. Raises ModelDied when it was ended for silence."""
        clock = Clock(FATE_WAIT_S)
        about = {"op": "blame", "child": connection.child, "conn": connection.number, "why": why}
        try:
            told = self._asked(clock, about)
        except (HostUnavailable, TimeoutError):
            return
        if why == "silence" and connection.number in _served(told):
            raise error_of(told)

    def _asked(self, clock: Clock, question: dict[str, Any]) -> dict[str, Any]:
        """The parent's answer. Raises TimeoutError and HostUnavailable."""
        asking = self.connect(clock)
        try:
            return asking.exchange(clock, question).header
        except TimeoutError:
            raise
        except (EOFError, OSError, ProtocolError) as error:
            raise unavailable() from error
        finally:
            asking.close()

    def _explain(self, connection: Connection, clock: Clock) -> NoReturn:
        """Ask the parent how the child ended, and raise accordingly."""
        question = {"op": "fate", "child": connection.child, "conn": connection.number}
        try:
            told = self._asked(Clock(FATE_WAIT_S), question)
        except TimeoutError as error:
            # The process lives: it has closed this connection, to a caller that stalled.
            raise HostBusy("The model's process closed the connection.", retry_after_s=1) from error
        if told.get("fate") in ("evicted", "unknown"):
            raise Again
        if told.get("fate") == "died" and not told.get("loading"):
            served = _served(told)
            if connection.number not in served:
                raise Again
            if len(served) > 1 and not clock.is_over:
                raise Again  # it may have been another one's: asked again, it is scored alone
        raise error_of(told)


def _served(told: Mapping[str, Any]) -> Sequence[Any]:
    """The connections whose requests were being worked on."""
    served = told.get("serving")
    return served if isinstance(served, list) else ()


def _busy() -> HostBusy:
    return HostBusy("The model was busy until the deadline.", retry_after_s=1)


def unreadable() -> HostError:
    """The error for a child that answers garbage."""
    return HostError("The model's process gave an answer that cannot be read.")


def error_of(told: Mapping[str, Any]) -> Exception:
    """The error that a frame tells of."""
    error = told.get("error")
    return from_wire(error if isinstance(error, Mapping) else {})
