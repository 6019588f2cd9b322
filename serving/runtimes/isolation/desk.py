"""Where a child answers: many connections, one request at a time, each under its deadline.

A deadline is a timer whose signal ends the process: nothing that the model does in Python can
catch it, not even a loop in C. The parent then tells the callers why their connection closed.
"""

from __future__ import annotations

import json
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.board import Board
from serving.runtimes.isolation.confine import MAX_OPEN_FILES
from serving.runtimes.isolation.errors import RequestExpired, to_wire
from serving.runtimes.isolation.protocol import MAX_DEADLINE_S, ProtocolError

MAX_CONNECTIONS = MAX_OPEN_FILES - 64
# A caller that stops in the middle of a frame holds up the others for at most this long.
STALL_S = 5.0

# Answers a request's frame with the body of the answer.
Operation: TypeAlias = Callable[[protocol.Frame], Any]


def end_after(seconds: float) -> None:
    """End this process when the time is over; 0 disarms."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


class Desk:
    """Answers connections one request at a time, in the order in which they become readable.

    Each connection is greeted when it is taken. ``single``: the only caller's leaving ends it.
    """

    def __init__(
        self,
        control: socket.socket,
        board: Board,
        operations: Mapping[str, Operation],
        *,
        single: bool = False,
    ) -> None:
        self._control, self._board = control, board
        self._operations, self._single = operations, single
        self._greeted = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._control, selectors.EVENT_READ, 0)
        self._connections: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Serve until the parent closes the control socket, or the only caller has left."""
        while True:
            for key, _ in self._selector.select():
                if key.data == 0:
                    if not self._accept():
                        return
                elif key.data in self._connections:
                    self._serve(key.data)
            if self._single and self._greeted and not self._connections:
                return

    def _accept(self) -> bool:
        """Take a connection that the parent hands over; False when the parent has closed."""
        message, fds, _, _ = socket.recv_fds(self._control, 256, 1)
        if not message:
            return False
        number = int(json.loads(message)["conn"])
        for fd in fds:
            connection = socket.socket(fileno=fd)
            connection.settimeout(STALL_S)
            has_room = len(self._connections) < MAX_CONNECTIONS
            greeting = {"ready": True} if has_room else {"error": _busy()}
            if self._answer(connection, greeting) and has_room:
                self._connections[number] = connection
                self._selector.register(connection, selectors.EVENT_READ, number)
            else:
                connection.close()
        self._greeted = True
        return True

    def _answer(self, connection: socket.socket, header: dict[str, Any], body: Any = b"") -> bool:
        try:
            protocol.send(connection, header, body)
        except OSError:
            return False
        return True

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number)
        self._selector.unregister(connection)
        connection.close()

    def _serve(self, number: int) -> None:
        connection = self._connections[number]
        try:
            frame = protocol.receive(connection)
        except (EOFError, OSError, ProtocolError):
            self._drop(number)
            return
        if not protocol.is_quiet(connection):
            self._drop(number)  # the caller left while its request was queued
            return
        header, body = self._perform(number, frame)
        if not self._answer(connection, header, body):
            self._drop(number)

    def _perform(self, number: int, frame: protocol.Frame) -> tuple[dict[str, Any], Any]:
        """The answer of one request, the deadline armed around the model's work only."""
        try:
            operation = self._operations[str(frame.header.get("op"))]
            remaining_s = _remaining_s(frame.header)
            self._board.begin(number, time.monotonic() + remaining_s)
            end_after(remaining_s)
            try:
                return {"ok": True}, operation(frame)
            finally:
                end_after(0)
        except BaseException as error:  # SystemExit too: what a model raises is its failure
            return {"error": to_wire(error)}, b""
        finally:
            self._board.end()


def _remaining_s(header: Mapping[str, Any]) -> float:
    """Seconds until the request's deadline, which is a time of the machine's monotonic clock."""
    until = header.get("until")
    if not isinstance(until, int | float):
        raise ProtocolError("a request has a deadline")
    remaining = min(until - time.monotonic(), MAX_DEADLINE_S)
    if remaining <= 0:
        raise RequestExpired
    return remaining


def _busy() -> dict[str, Any]:
    return {"kind": "busy", "message": "Too many callers are connected to this model."}
