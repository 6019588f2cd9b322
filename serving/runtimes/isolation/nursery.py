"""The children that a model host has now: made, listened to, made room among, buried."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.confine import Confinement, Limits
from serving.runtimes.isolation.errors import EVIDENCE_MAX_BYTES
from serving.runtimes.isolation.offspring import Child, Graves, Name, Order, fate_of, log, spawn
from serving.runtimes.isolation.protocol import MAX_DEADLINE_S, ModelSpec, ProtocolError
from serving.runtimes.isolation.watch import default_budget_bytes

# Memory is what bounds them; this is for the descriptors of the parent.
MAX_CHILDREN = 256
MAX_INSPECTIONS = 4
LOAD_TIMEOUT_S = 60.0
# All checks of one version together take less.
MAX_INSPECTION_S = 900.0
# Processor time of a whole life, which the kernel holds a process to. That of a pooled one is
# long; well before it, and when it is idle, the process is replaced.
INSPECTION_CPU_S = int(MAX_INSPECTION_S)
POOLED_CPU_S = 3 * 3600
REPLACED_AFTER_CPU_S = 3600
# How often their memory and processor time are looked at: a millisecond for each.
LOOK_S = 2.0
OVERDUE_GRACE_S = 0.3
# Longer than ours ever are, and less than a frame's header may have.
MAX_FAILURE_BYTES = 2 * EVIDENCE_MAX_BYTES
# Messages that are read from a child that has ended.
LAST_WORDS = 16


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``memory_bytes`` per model; ``max_children`` loaded models, inspections not counted.

    ``budget_bytes`` is for all loaded models together. It is held by ending idle ones, so models
    at work may pass it for as long as they are.
    """

    socket_path: Path
    memory_bytes: int
    max_children: int = MAX_CHILDREN
    budget_bytes: int = field(default_factory=default_budget_bytes)
    max_inspections: int = MAX_INSPECTIONS
    load_timeout_s: float = LOAD_TIMEOUT_S
    runtimes: dict[str, str] = field(default_factory=dict)
    confinement: Confinement = field(default_factory=Confinement)


class Nursery:
    """All children by number, by process id, and the pooled ones by the model that they hold."""

    def __init__(self, settings: HostSettings, selector: selectors.BaseSelector) -> None:
        self._settings, self._selector = settings, selector
        self._children: dict[int, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._by_name: dict[Name, Child] = {}
        self.graves = Graves()
        # Numbers go on from a random start, so that one of an earlier host names no child.
        self._number = int.from_bytes(os.urandom(6), "big")
        self._looked = time.monotonic()
        # Since the start: models loaded, and those of them that were ended to make room.
        self.loads, self.evictions = 0, 0

    def next_number(self) -> int:
        """A number for a child or a connection, never given twice."""
        self._number += 1
        return self._number

    def living(self, number: int) -> Child | None:
        """The child of that number that has not ended, or not been buried yet."""
        return self._children.get(number)

    def of(self, name: Name) -> Child | None:
        """The child that holds this model."""
        return self._by_name.get(name)

    @property
    def inspections(self) -> int:
        """How many children serve an inspection."""
        return sum(1 for child in self._children.values() if child.name is None)

    def make(self, spec: ModelSpec, name: Name | None, fds: tuple[int, ...]) -> Child:
        """A new child. Raises OSError when no process can be made."""
        order = Order(
            number=self.next_number(),
            spec=spec,
            name=name,
            fds=fds,
            limits=Limits(self._settings.memory_bytes, POOLED_CPU_S if name else INSPECTION_CPU_S),
            confinement=self._settings.confinement,
            load_timeout_s=self._settings.load_timeout_s,
            runtimes=self._settings.runtimes,
            together_from=self.graves.alone_until.get(name, 0.0) if name else 0.0,
        )
        child = spawn(order)
        self._children[child.number] = self._by_pid[child.pid] = child
        if name is not None:
            self._by_name[name] = child
            self.loads += 1
        self._selector.register(child.control, selectors.EVENT_READ, ("control", child))
        log(f"{spec.key}: process {child.pid} {'inspects' if name is None else 'started'}")
        return child

    def make_room(self) -> bool:
        """Evict who was idle longest while there are too many; False when all are at work.

        Those that were made since the last look are looked at here: many may be made at once.
        """
        now = time.monotonic()
        for child in self._by_name.values():
            if not child.sight.memory_bytes and not child.board.is_loading:
                child.sight.look(child.pid, self._said_by(child), now)
        self._keep_budget()
        while len(self._by_name) >= self._settings.max_children:
            idle = [child for child in self._by_name.values() if child.is_idle]
            if not idle:
                return False
            self._evict(min(idle, key=_last_used))
        return True

    def _evict(self, child: Child) -> None:
        self._forget(child)
        child.evict()
        self.evictions += 1

    def look_round(self, now: float) -> None:
        """End who is overdue; now and then look at memory and processor time as well."""
        self._end_overdue(now)
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        for child in list(self._by_name.values()):
            child.sight.look(child.pid, self._said_by(child), now)
            has_claimed = child.board.claims_forever(MAX_DEADLINE_S + LOOK_S)
            child.claims = child.claims + 1 if has_claimed else 0
            if child.claims > 1:
                child.end("hidden work")
            if not child.is_idle:
                continue
            if child.sight.hides_work(now):
                child.end("hidden work")
            elif child.sight.cpu_s > REPLACED_AFTER_CPU_S:
                self._evict(child)
        self._keep_budget()

    @staticmethod
    def _said_by(child: Child) -> tuple[tuple[int, ...], int]:
        return child.board.serving, child.board.last_used_ns

    def _keep_budget(self) -> None:
        """Evict who was idle longest until the rest fits; the one used last always stays."""
        by_use = sorted(self._by_name.values(), key=_last_used)
        over = sum(child.sight.memory_bytes for child in by_use) - self._settings.budget_bytes
        for child in by_use[:-1]:
            if over > 0 and child.is_idle:
                log(f"process {child.pid} makes room: the models are over their memory budget")
                self._evict(child)
                over -= child.sight.memory_bytes

    def _end_overdue(self, now: float) -> None:
        """End children that disarmed the timer of their deadline, and inspections without end."""
        oldest = now - MAX_INSPECTION_S
        for child in self._children.values():
            is_endless = child.name is None and child.since < oldest
            if is_endless or child.board.is_overdue(OVERDUE_GRACE_S):
                child.end("deadline")

    def hear(self, child: Child) -> None:
        """What a child says: only that its load failed."""
        if child.control.fileno() < 0:
            return
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
        # What is passed on to callers must fit into a frame, whatever this process wrote.
        fits = isinstance(failure, dict) and len(json.dumps(failure)) <= MAX_FAILURE_BYTES
        child.failure = failure if fits else {"kind": "raised"}

    def reap(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Bury every child that has ended: its number and its fate."""
        while self._by_pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._by_pid.pop(pid, None)
            if child is not None:
                yield child.number, self._bury(child, status)

    def _bury(self, child: Child, status: int) -> dict[str, Any]:
        for _ in range(LAST_WORDS):
            self.hear(child)
        del self._children[child.number]
        self._forget(child)
        fate = fate_of(child, status)
        self.graves.bury(child.number, fate)
        if child.name is not None and not child.evicted:
            has_group = len(fate.get("serving", ())) > 1
            count = self.graves.count_group if has_group else self.graves.count
            count(child.name, time.monotonic())
        if child.name is not None or status:  # an inspection ends by itself
            log(f"process {child.pid} ended: {json.dumps(fate)[:300]}")
        child.board.close()
        return fate

    def _forget(self, child: Child) -> None:
        if child.name is not None and self._by_name.get(child.name) is child:
            del self._by_name[child.name]

    def end_all(self) -> None:
        """No child outlives the host. They keep nothing, so there is nothing to wait for."""
        for pid in self._by_pid:
            os.kill(pid, signal.SIGKILL)
        for pid in self._by_pid:
            os.waitpid(pid, 0)

    def status(self) -> list[dict[str, Any]]:
        """Each pooled child: key, pid, what it does, requests served, seconds idle.

        ``memory_bytes`` and ``cpu_s`` are those of the last look, 0 before the first.
        """
        now = time.monotonic_ns()
        return [
            {
                "key": key,
                "pid": child.pid,
                "loading": child.board.is_loading,
                "busy": bool(child.board.serving),
                "served": child.board.served,
                "memory_bytes": child.sight.memory_bytes,
                "cpu_s": round(child.sight.cpu_s, 2),
                "idle_s": round((now - child.board.last_used_ns) / 1e9, 3),
            }
            for (key, _), child in self._by_name.items()
        ]


def _last_used(child: Child) -> int:
    """Monotonic ns; who claims to be of the future has no advantage of it."""
    return min(child.board.last_used_ns, time.monotonic_ns())


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
