"""Where a child answers: many connections, what waits together at once, each under its deadline.

A deadline is a timer whose signal ends the process: nothing that the model does in Python can
catch it, not even a loop in C. The parent then tells the callers why their connection closed.

The timer of a group is the deadline of its most urgent request, and a group is never so large that
it should need the half of that time (``grouping.Pace``). Should the process end nevertheless, no
caller of the group is held to be the cause: who has time left asks again, and the next process of
that model answers one at a time for a while, so that the cause, if it comes again, is known.
"""

from __future__ import annotations

import json
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, TypeAlias

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.board import MOST_TOGETHER, Board
from serving.runtimes.isolation.confine import MAX_OPEN_FILES
from serving.runtimes.isolation.errors import RequestExpired, to_wire
from serving.runtimes.isolation.grouping import MOST_BODY_BYTES, Pace, Request, groups_of
from serving.runtimes.isolation.protocol import MAX_DEADLINE_S, ProtocolError

MAX_CONNECTIONS = MAX_OPEN_FILES - 64
# A caller that stops in the middle of a frame holds up the others for at most this long.
STALL_S = 5.0

# Answers a request's frame with the body of the answer.
Operation: TypeAlias = Callable[[protocol.Frame], Any]
# Answers the frames of a group with the body of each answer, or raises for all of them.
Together: TypeAlias = Callable[[list[protocol.Frame]], list[Any]]


def end_after(seconds: float) -> None:
    """End this process when the time is over; 0 disarms."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


class Desk:
    """Answers connections in the order in which they become readable.

    Each connection is greeted when it is taken. ``single``: the only caller's leaving ends it.
    ``together``: what answers several requests at once, from the monotonic time
    ``together_from`` on; None where the model's rows may not be put together.
    """

    def __init__(
        self,
        control: socket.socket,
        board: Board,
        operations: Mapping[str, Operation],
        *,
        single: bool = False,
        together: Together | None = None,
        together_from: float = 0.0,
    ) -> None:
        self._control, self._board = control, board
        self._control.setblocking(False)
        self._operations, self._single = operations, single
        self._together, self._together_from = together, together_from
        self._pace = Pace()
        self._greeted = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._control, selectors.EVENT_READ, 0)
        self._connections: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Serve until the parent closes the control socket, or the only caller has left."""
        while True:
            ready = [key.data for key, _ in self._selector.select()]
            if 0 in ready and not self._accept_all():
                return
            waiting = deque(number for number in ready if number in self._connections)
            while waiting:
                self._serve(self._take(waiting))
            if self._single and self._greeted and not self._connections:
                return

    def _accept_all(self) -> bool:
        """Take every connection that the parent hands over; False when the parent has closed.

        All of them: who came while a slow model was at work would else join one by one, each
        after another answer.
        """
        try:
            while self._accept():
                pass
        except BlockingIOError:
            return True
        return False

    def _accept(self) -> bool:
        """Take one of them; False when the parent has closed. Raises BlockingIOError for none."""
        message, fds, _, _ = socket.recv_fds(self._control, 256, 1)
        if not message:
            return False
        number = int(json.loads(message)["conn"])
        for fd in fds:
            connection = socket.socket(fileno=fd)
            connection.settimeout(STALL_S)
            has_room = len(self._connections) < MAX_CONNECTIONS
            greeting = {"ready": True} if has_room else {"error": _busy()}
            if self._send(connection, greeting) and has_room:
                self._connections[number] = connection
                self._selector.register(connection, selectors.EVENT_READ, number)
            else:
                connection.close()
        self._greeted = True
        return True

    def _send(self, connection: socket.socket, header: dict[str, Any], body: Any = b"") -> bool:
        try:
            protocol.send(connection, header, body)
        except OSError:
            return False
        return True

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number)
        self._selector.unregister(connection)
        connection.close()

    def _take(self, waiting: deque[int]) -> list[Request]:
        """Read one request of each of them, as many as may be worked on together."""
        taken: list[Request] = []
        size = 0
        while waiting and len(taken) < MOST_TOGETHER and size < MOST_BODY_BYTES:
            number = waiting.popleft()
            try:
                frame = protocol.receive(self._connections[number], is_only=True)
                until = _deadline(frame.header)
            except (EOFError, OSError, ProtocolError):
                self._drop(number)
                continue
            taken.append(Request(number, frame, until))
            size += len(frame.body)
            if self._together is None:
                break
        return taken

    def _serve(self, taken: list[Request]) -> None:
        now = time.monotonic()
        in_time = [request for request in taken if request.until > now]
        if len(in_time) < 2 or now < self._together_from:
            groups: Iterable[list[Request]] = [[request] for request in taken]
        else:
            late = [[request] for request in taken if request.until <= now]
            groups = chain(late, groups_of(in_time, self._pace))
        for group in groups:
            self._answer_all(group)

    def _answer_all(self, group: list[Request]) -> None:
        """Answer a group; each alone when they cannot be answered together."""
        group = self._present(group)
        if len(group) > 1:
            bodies = self._work_together(group)
            if bodies is not None:
                self._board.count(len(bodies))
                for request, body in zip(group, bodies, strict=True):
                    self._reply(request, {"ok": True}, body)
                return
            # One of them makes the model raise, or give another count of answers: which one?
            group = self._present(group)
        for request in group:
            header, body = self._perform(request)
            self._board.count(1)
            self._reply(request, header, body)

    def _present(self, group: list[Request]) -> list[Request]:
        """Those whose callers wait for them: the others left while their requests were queued."""
        sockets = [self._connections[request.connection] for request in group]
        gone = protocol.not_quiet(sockets)
        if not gone:
            return group
        pairs = list(zip(group, sockets, strict=True))
        for request, sock in pairs:
            if sock.fileno() in gone:
                self._drop(request.connection)
        return [request for request, _ in pairs if request.connection in self._connections]

    def _reply(self, request: Request, header: dict[str, Any], body: Any) -> None:
        if not self._send(self._connections[request.connection], header, body):
            self._drop(request.connection)

    def _work_together(self, group: list[Request]) -> list[Any] | None:
        """The bodies of their answers; None when there are none for all of them."""
        together = self._together
        assert together is not None
        try:
            bodies = self._timed(group, lambda: together([one.frame for one in group]))
        except BaseException:  # SystemExit too: what a model raises is its failure
            return None
        return bodies if len(bodies) == len(group) else None

    def _perform(self, request: Request) -> tuple[dict[str, Any], Any]:
        """The answer of one request."""
        try:
            operation = self._operations[str(request.frame.header.get("op"))]
            return {"ok": True}, self._timed([request], lambda: operation(request.frame))
        except BaseException as error:  # SystemExit too: what a model raises is its failure
            return {"error": to_wire(error)}, b""

    def _timed(self, group: list[Request], work: Callable[[], Any]) -> Any:
        """Do the work, with the deadline armed around it alone.

        Raises RequestExpired where it is over before, and whatever the work raises.
        """
        began = time.monotonic()
        until = min(request.until for request in group)
        if until <= began:
            raise RequestExpired
        self._board.begin([request.connection for request in group], until)
        try:
            end_after(until - began)
            try:
                return work()
            finally:
                end_after(0)
        finally:
            self._board.end()
            self._pace.note(sum(one.rows for one in group), time.monotonic() - began)


def _deadline(header: Mapping[str, Any]) -> float:
    """The request's deadline on the machine's monotonic clock. Raises ProtocolError for none."""
    until = header.get("until")
    if not isinstance(until, int | float):
        raise ProtocolError("a request has a deadline")
    return min(until, time.monotonic() + MAX_DEADLINE_S)


def _busy() -> dict[str, Any]:
    return {"kind": "busy", "message": "Too many callers are connected to this model."}
