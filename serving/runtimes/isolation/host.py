"""The parent of the model host: knows who holds which model, forks, hands over, buries.

One thread and one selector. It never parses a model and never sees a row: a connection is handed
to the child that holds the model, and from then on the caller talks to that child alone.

On its socket it takes these frames (``op``):

- ``open`` {spec}: the connection goes to the child of that model. Without a child, and without
  descriptors (artifact, golden rows), the answer is ``need``; with them a child is made.
- ``inspect`` {spec} with the artifact's descriptor: a child of the caller's own.
- ``fate`` {child}: how that child ended; answered when it has.
- ``status``: what runs.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.offspring import Child, Graves, Name, Order, fate_of, log, spawn
from serving.runtimes.isolation.protocol import ModelSpec, ProtocolError

MAX_CHILDREN = 16
MAX_INSPECTIONS = 4
LOAD_TIMEOUT_S = 60.0
MAX_FDS_IN_FRAME = 2
GUEST_PATIENCE_S = 60.0
# How often the parent looks round; at least that often, since every event counts too.
ROUND_S = 0.5
OVERDUE_GRACE_S = 0.3
# Messages that are read from a child that has ended.
LAST_WORDS = 16


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``memory_bytes`` per model; ``max_children`` loaded models, inspections not counted."""

    socket_path: Path
    memory_bytes: int
    max_children: int = MAX_CHILDREN
    max_inspections: int = MAX_INSPECTIONS
    load_timeout_s: float = LOAD_TIMEOUT_S
    runtimes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Guest:
    """A connection that has not been handed over yet; ``fate_of`` when it waits for an end."""

    sock: socket.socket
    since: float
    received: bytearray = field(default_factory=bytearray)
    fds: list[int] = field(default_factory=list)
    fate_of: int | None = None


class Host:
    """The parent's state and its loop."""

    def __init__(self, settings: HostSettings, listener: socket.socket) -> None:
        self._settings, self._listener = settings, listener
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._by_name: dict[Name, Child] = {}
        self._guests: dict[int, Guest] = {}
        self._waiting: deque[tuple[Guest, ModelSpec]] = deque()
        self._graves = Graves()
        self._lost: deque[int] = deque(maxlen=1000)
        # Numbers go on from a random start, so that one of an earlier host names no child.
        self._next = int.from_bytes(os.urandom(6), "big")
        self._stopping = False
        self._started = time.monotonic()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end every child."""
        wake_in, wake_out = socket.socketpair()
        for end in (wake_in, wake_out):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_out.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake_in, selectors.EVENT_READ, ("wake", wake_in))
        self._selector.register(self._listener, selectors.EVENT_READ, ("listener", None))
        while not self._stopping:
            for key, _ in self._selector.select(timeout=ROUND_S):
                self._handle(*key.data)
            self._look_round()
        self._end_all()

    def _stop(self, *_: Any) -> None:
        self._stopping = True

    def _handle(self, kind: str, subject: Any) -> None:
        if kind == "listener":
            self._welcome()
        elif kind == "wake":
            _drain(subject)
            self._reap()
        elif kind == "control" and subject.number in self._children:
            self._hear(subject)
        elif kind == "guest" and subject.sock.fileno() in self._guests:
            self._listen_to(subject)

    # --- connections ------------------------------------------------------------------------

    def _welcome(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # the caller is gone again, or descriptors are short
            return
        sock.setblocking(False)
        guest = Guest(sock, time.monotonic())
        self._guests[sock.fileno()] = guest
        self._selector.register(sock, selectors.EVENT_READ, ("guest", guest))

    def _listen_to(self, guest: Guest) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(guest.sock, 65536, MAX_FDS_IN_FRAME)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        guest.fds.extend(fds)
        guest.received += data
        if not data or len(guest.fds) > MAX_FDS_IN_FRAME:
            self._dismiss(guest)
            return
        try:
            header = self._frame_of(guest)
            if header is not None:
                self._act(guest, header)
        except Exception as error:  # whatever one caller does, the host serves the others
            log(f"a caller was sent away: {error!r}")
            self._dismiss(guest)

    def _frame_of(self, guest: Guest) -> dict[str, Any] | None:
        """The header of a whole frame; None until it is there. The parent takes no bodies."""
        if len(guest.received) < protocol.PREFIX.size:
            return None
        n_header, _ = protocol.lengths(guest.received, max_body_bytes=0)
        end = protocol.PREFIX.size + n_header
        if len(guest.received) < end:
            return None
        header = protocol.header_of(guest.received[protocol.PREFIX.size : end])
        del guest.received[:end]
        return header

    def _act(self, guest: Guest, header: dict[str, Any]) -> None:
        op = header.get("op")
        actions: dict[Any, Callable[[Guest, dict[str, Any]], None]] = {
            "open": self._open,
            "inspect": self._inspect,
            "fate": self._tell_fate,
            "status": self._tell_status,
        }
        if op not in actions:
            raise ProtocolError(f"unknown op {op!r:.40}")
        actions[op](guest, header)

    def _reply(self, guest: Guest, header: dict[str, Any]) -> bool:
        """Answer without ever waiting: a caller that does not read is sent away."""
        text = protocol.encode(header)
        try:
            if guest.sock.send(text) == len(text):
                return True
        except OSError:
            pass
        self._dismiss(guest)
        return False

    def _dismiss(self, guest: Guest) -> None:
        if self._guests.pop(guest.sock.fileno(), None) is not None:
            self._selector.unregister(guest.sock)
        guest.sock.close()
        protocol.close_all(guest.fds)
        guest.fds.clear()

    def _look_round(self) -> None:
        """End children that block the signal of their deadline, send silent callers away."""
        for child in self._children.values():
            if child.board.is_overdue(OVERDUE_GRACE_S) and not child.overdue:
                child.overdue = True
                os.kill(child.pid, signal.SIGKILL)
        limit = time.monotonic() - GUEST_PATIENCE_S
        for guest in [g for g in self._guests.values() if g.since < limit]:
            self._dismiss(guest)
        while self._waiting and self._waiting[0][0].sock.fileno() < 0:
            self._waiting.popleft()

    # --- operations -------------------------------------------------------------------------

    def _open(self, guest: Guest, header: dict[str, Any]) -> None:
        spec = ModelSpec.from_json(header.get("spec"))
        name = (spec.key, spec.sha256)
        pause = self._graves.suspended_for_s(name, time.monotonic())
        if pause > 0:
            error = {"kind": "suspended", "retry_after_s": int(pause) + 1}
            self._reply(guest, {"error": error})
            return
        child = self._by_name.get(name)
        if child is None and not guest.fds:
            self._reply(guest, {"need": "artifact"})
            return
        if child is None:
            if not self._make_room():
                self._refuse(guest, "All model processes are at work and there may be no more.")
                return
            child = self._spawn(guest, spec, name)
        if child is not None:
            self._hand_over(guest, child)

    def _inspect(self, guest: Guest, header: dict[str, Any]) -> None:
        spec = ModelSpec.from_json(header.get("spec"))
        if not guest.fds:
            raise ProtocolError("an inspection comes with its artifact")
        self._waiting.append((guest, spec))
        self._start_inspections()

    def _start_inspections(self) -> None:
        while self._waiting:
            running = sum(1 for child in self._children.values() if child.name is None)
            if running >= self._settings.max_inspections:
                return
            guest, spec = self._waiting.popleft()
            if guest.sock.fileno() < 0:
                continue
            child = self._spawn(guest, spec, None)
            if child is not None:
                self._hand_over(guest, child)

    def _make_room(self) -> bool:
        """Evict the child that was idle longest when there are too many; False when all work."""
        while len(self._by_name) >= self._settings.max_children:
            idle = [
                child
                for child in self._by_name.values()
                if not child.board.is_loading and not child.board.serving
            ]
            if not idle:
                return False
            oldest = min(idle, key=lambda child: child.board.last_used_ns)
            oldest.evicted = True
            self._forget(oldest)
            os.kill(oldest.pid, signal.SIGKILL)
        return True

    def _tell_fate(self, guest: Guest, header: dict[str, Any]) -> None:
        number = header.get("child")
        if not isinstance(number, int):
            raise ProtocolError("fate is asked of a child")
        if number in self._children:
            if header.get("conn") in self._lost:
                self._refuse(guest, "Too many callers wait for this model.")
            else:
                guest.fate_of = number
            return
        self._reply(guest, self._graves.fates.get(number, {"fate": "unknown"}))

    def _tell_status(self, guest: Guest, header: dict[str, Any]) -> None:
        del header
        now = time.monotonic_ns()
        status = {
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "max_children": self._settings.max_children,
            "inspections": sum(1 for c in self._children.values() if c.name is None),
            "children": [
                {
                    "key": child.name[0],
                    "pid": child.pid,
                    "loading": child.board.is_loading,
                    "busy": bool(child.board.serving),
                    "served": child.board.served,
                    "idle_s": round((now - child.board.last_used_ns) / 1e9, 3),
                }
                for child in self._by_name.values()
                if child.name is not None
            ],
        }
        self._reply(guest, status)

    # --- children ---------------------------------------------------------------------------

    def _hand_over(self, guest: Guest, child: Child) -> None:
        """Tell the caller which child it gets, then give the child the connection."""
        self._next += 1
        connection = self._next
        told = {"child": child.number, "conn": connection, "loading": child.board.is_loading}
        if not self._reply(guest, told):
            return
        message = json.dumps({"conn": connection}).encode()
        try:
            socket.send_fds(child.control, [message], [guest.sock.fileno()])
        except OSError as error:
            # The child's queue is full, or it has just died: the caller finds its connection
            # closed and asks for the reason.
            self._lost.append(connection)
            log(f"a connection was not handed over: {error.strerror}")
        self._dismiss(guest)

    def _hear(self, child: Child) -> None:
        """What a child says: only that its load failed."""
        try:
            message = _next_message(child.control)
        except BlockingIOError:
            return
        if not message:
            self._selector.unregister(child.control)
            child.control.close()
            return
        try:
            failure = protocol.header_of(message).get("failed")
        except ProtocolError:
            return
        child.failure = failure if isinstance(failure, dict) else None

    def _spawn(self, guest: Guest, spec: ModelSpec, name: Name | None) -> Child | None:
        """A child that gets the guest's descriptors; None, and an answer, when there is none."""
        self._next += 1
        order = Order(
            number=self._next,
            spec=spec,
            name=name,
            fds=tuple(guest.fds),
            memory_bytes=self._settings.memory_bytes,
            load_timeout_s=self._settings.load_timeout_s,
            runtimes=self._settings.runtimes,
        )
        try:
            child = spawn(order)
        except OSError as error:
            self._refuse(guest, f"No process could be started: {error.strerror}.")
            return None
        self._children[child.number] = self._by_pid[child.pid] = child
        if name is not None:
            self._by_name[name] = child
        self._selector.register(child.control, selectors.EVENT_READ, ("control", child))
        log(f"{spec.key}: process {child.pid} {'inspects' if name is None else 'started'}")
        return child

    def _refuse(self, guest: Guest, why: str) -> None:
        self._reply(guest, {"error": {"kind": "busy", "message": why}})

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._by_pid.pop(pid, None)
            if child is not None:
                self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        """Forget a child that has ended, and tell those who ask how."""
        for _ in range(LAST_WORDS):
            if child.control.fileno() >= 0:
                self._hear(child)
        del self._children[child.number]
        self._forget(child)
        fate = fate_of(child, status)
        self._graves.bury(child.number, fate)
        if child.name is not None and not child.evicted and not self._stopping:
            self._graves.count(child.name, time.monotonic())
        log(f"process {child.pid} ended: {json.dumps(fate)[:300]}")
        child.board.close()
        for guest in [g for g in self._guests.values() if g.fate_of == child.number]:
            self._reply(guest, fate)
            guest.fate_of = None
        self._start_inspections()

    def _forget(self, child: Child) -> None:
        if child.name is not None and self._by_name.get(child.name) is child:
            del self._by_name[child.name]

    def _end_all(self) -> None:
        """No child outlives the host. They keep nothing, so there is nothing to wait for."""
        for pid in self._by_pid:
            os.kill(pid, signal.SIGKILL)
        for pid in self._by_pid:
            os.waitpid(pid, 0)


def _next_message(control: socket.socket) -> bytes:
    """The next message of a child, empty when it has closed. Raises BlockingIOError.

    A child that ends without having taken all its connections leaves a reset, which comes before
    the messages that it has sent: those are still there at the second try.
    """
    for _ in range(2):
        try:
            return control.recv(protocol.MAX_HEADER_BYTES)
        except ConnectionResetError:
            continue
    return b""


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(4096):
            pass
    except BlockingIOError:
        pass
