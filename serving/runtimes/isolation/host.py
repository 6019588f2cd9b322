"""The parent of the model host: knows who holds which model, forks, hands over, buries.

One thread and one selector. It never parses a model and never sees a row: a connection is handed
to the child that holds the model, and from then on the caller talks to that child alone.

On its socket it takes these frames (``op``):

- ``open`` {spec}: the connection goes to the child of that model. Without a child, and without
  descriptors (artifact, golden rows), the answer is ``need``; with them a child is made.
- ``inspect`` {spec} with the artifact's descriptor: a child of the caller's own.
- ``fate`` {child}: how that child ended; answered when it has.
- ``blame`` {child, conn, why}: a caller got ``garbage``, or ``silence`` past its deadline. Answered
  with the fate of the child when it is ended for that, with ``living`` when it is not.
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
from typing import Any

from serving.runtimes.isolation.nursery import HostSettings, Nursery
from serving.runtimes.isolation.offspring import Child, Name, log
from serving.runtimes.isolation.protocol import ModelSpec, ProtocolError
from serving.runtimes.isolation.reception import Guest, Reception

# How often the parent looks round; at least that often, since every event counts too.
ROUND_S = 0.5
SUSPICION_S = 0.4


@dataclass(slots=True)
class Suspect:
    """A child that says that it is idle, of which a caller says that its request is not answered.

    It may have been between two requests just then, so it is looked at twice.
    """

    guest: Guest
    child: Child
    connection: int
    since: float = field(default_factory=time.monotonic)
    last_used_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.last_used_ns = self.child.board.last_used_ns


class Host:
    """The parent's loop and what it does for callers."""

    def __init__(self, settings: HostSettings, listener: socket.socket) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._reception = Reception(self._selector, listener, self._act)
        self._nursery = Nursery(settings, self._selector)
        self._waiting: deque[tuple[Guest, ModelSpec]] = deque()
        self._lost: deque[int] = deque(maxlen=1000)
        self._suspects: list[Suspect] = []
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
        while not self._stopping:
            for key, _ in self._selector.select(timeout=ROUND_S):
                self._handle_whatever(*key.data)
            self._look_round()
        self._nursery.end_all()

    def _stop(self, *_: Any) -> None:
        self._stopping = True

    def _handle_whatever(self, kind: str, subject: Any) -> None:
        """Nothing that one child or caller sends ends the host."""
        try:
            self._handle(kind, subject)
        except Exception as error:
            log(f"an event of a {kind} was not handled: {error!r:.300}")
            if kind == "control":
                subject.end("garbage")

    def _handle(self, kind: str, subject: Any) -> None:
        if kind == "listener":
            self._reception.welcome()
        elif kind == "guest":
            self._reception.listen_to(subject)
        elif kind == "control":
            self._nursery.hear(subject)
        elif kind == "wake":
            _drain(subject)
            self._reap()

    def _reap(self) -> None:
        for number, fate in self._nursery.reap():
            self._reception.tell_fate(number, fate)
        self._start_inspections()

    def _look_round(self) -> None:
        self._nursery.look_round(time.monotonic())
        self._reception.send_away_the_silent()
        self._look_at_suspects()
        while self._waiting and self._waiting[0][0].is_gone:
            self._waiting.popleft()

    def _look_at_suspects(self) -> None:
        """End those that have done nothing since: a request waits for them and they know it."""
        now = time.monotonic()
        due = [one for one in self._suspects if now - one.since >= SUSPICION_S]
        self._suspects = [one for one in self._suspects if now - one.since < SUSPICION_S]
        for one in due:
            if one.guest.is_gone or one.guest.fate_of is None:
                continue  # told in the meantime
            if one.child.is_idle and one.child.board.last_used_ns == one.last_used_ns:
                one.child.end("deadline", one.connection)
            else:
                one.guest.fate_of = None
                self._reception.reply(one.guest, {"fate": "living"})

    # --- operations -------------------------------------------------------------------------

    def _act(self, guest: Guest, header: dict[str, Any]) -> None:
        """One frame of a caller. Raises ProtocolError, upon which the caller is sent away."""
        actions: dict[Any, Callable[[Guest, dict[str, Any]], None]] = {
            "open": self._open,
            "inspect": self._inspect,
            "fate": self._tell_fate,
            "blame": self._blame,
            "status": self._tell_status,
        }
        op = header.get("op")
        if not isinstance(op, str) or op not in actions:
            raise ProtocolError(f"unknown op {op!r:.40}")
        actions[op](guest, header)

    def _open(self, guest: Guest, header: dict[str, Any]) -> None:
        spec = ModelSpec.from_json(header.get("spec"))
        name = (spec.key, spec.sha256)
        pause_s = self._nursery.graves.suspended_for_s(name, time.monotonic())
        child = self._nursery.of(name)
        if pause_s > 0:
            error = {"kind": "suspended", "retry_after_s": int(pause_s) + 1}
            self._reception.reply(guest, {"error": error})
        elif child is not None:
            self._hand_over(guest, child)
        elif not guest.fds:
            self._reception.reply(guest, {"need": "artifact"})
        elif not self._nursery.make_room():
            why = "All model processes are at work and there may be no more."
            self._reception.refuse(guest, why)
        else:
            self._make(guest, spec, name)

    def _make(self, guest: Guest, spec: ModelSpec, name: Name | None) -> None:
        """Make a child of the guest's descriptors and hand the guest over to it."""
        try:
            child = self._nursery.make(spec, name, tuple(guest.fds))
        except OSError as error:
            self._reception.refuse(guest, f"No process could be started: {error.strerror}.")
            return
        self._hand_over(guest, child)

    def _hand_over(self, guest: Guest, child: Child) -> None:
        """Tell the caller which child it gets, then give the child the connection."""
        connection = self._nursery.next_number()
        told = {"child": child.number, "conn": connection, "loading": child.board.is_loading}
        if not self._reception.reply(guest, told):
            return
        message = json.dumps({"conn": connection}).encode()
        try:
            socket.send_fds(child.control, [message], [guest.sock.fileno()])
        except BlockingIOError:
            # The child's queue is full: the caller finds its connection closed and asks why.
            self._lost.append(connection)
        except OSError as error:
            log(f"process {child.pid} took no connection: {error.strerror}")
        self._reception.dismiss(guest)

    def _inspect(self, guest: Guest, header: dict[str, Any]) -> None:
        spec = ModelSpec.from_json(header.get("spec"))
        if not guest.fds:
            raise ProtocolError("an inspection comes with its artifact")
        self._waiting.append((guest, spec))
        self._start_inspections()

    def _start_inspections(self) -> None:
        """Begin the inspections that wait, in order, while there are places."""
        self._look_at_suspects()
        while self._waiting and self._nursery.inspections < self._settings.max_inspections:
            guest, spec = self._waiting.popleft()
            if not guest.is_gone:
                self._make(guest, spec, None)

    def _tell_fate(self, guest: Guest, header: dict[str, Any]) -> None:
        number = header.get("child")
        if not isinstance(number, int):
            raise ProtocolError("fate is asked of a child")
        if self._nursery.living(number) is None:
            fate = self._nursery.graves.fates.get(number, {"fate": "unknown"})
            self._reception.reply(guest, fate)
        elif header.get("conn") in self._lost:
            self._reception.refuse(guest, "Too many callers wait for this model.")
        else:
            guest.fate_of = number

    def _blame(self, guest: Guest, header: dict[str, Any]) -> None:
        number, connection, why = (header.get(name) for name in ("child", "conn", "why"))
        if not (isinstance(number, int) and isinstance(connection, int) and isinstance(why, str)):
            raise ProtocolError("blame names a child, a connection and why")
        child = self._nursery.living(number)
        if child is None:
            self._tell_fate(guest, header)
        elif why == "garbage" or connection in child.board.serving:
            child.end("garbage" if why == "garbage" else "deadline", connection)
            guest.fate_of = number
        elif child.is_idle:
            guest.fate_of = number
            self._suspects.append(Suspect(guest, child, connection))
        else:
            self._reception.reply(guest, {"fate": "living"})

    def _tell_status(self, guest: Guest, header: dict[str, Any]) -> None:
        del header
        status = {
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "max_children": self._settings.max_children,
            "budget_bytes": self._settings.budget_bytes,
            "confinement": self._settings.confinement.to_json(),
            "inspections": self._nursery.inspections,
            "loads": self._nursery.loads,
            "evictions": self._nursery.evictions,
            "children": self._nursery.status(),
        }
        self._reception.reply(guest, status)


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(4096):
            pass
    except BlockingIOError:
        pass
