"""The processes of the model host: how one is made, and what is remembered of those that ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, NoReturn

from serving.runtimes.isolation import child as children
from serving.runtimes.isolation.board import Board
from serving.runtimes.isolation.confine import Confinement, Limits, confine
from serving.runtimes.isolation.errors import to_wire
from serving.runtimes.isolation.protocol import ModelSpec
from serving.runtimes.isolation.watch import Sight

FATES_KEPT = 1000
# Models compute for whoever asked; the processes that take requests, and the parent, come first.
NICENESS = 5
DEATHS_ALLOWED = 5
DEATHS_WINDOW_S = 60.0
SUSPENSION_S = 60.0
# After a death over a group, how long its model answers one request at a time.
ALONE_S = 60.0

# A model as the host tells them apart: the version's key and the digest of its bytes.
Name = tuple[str, str]


@dataclass(slots=True)
class Child:
    """A forked process. ``name`` is None for an inspection.

    ``since`` is monotonic. ``evicted``: ended to make room. ``ended_for``: why the parent ended it,
    such as ``deadline``; ``blamed_on`` is then the connection whose request was not answered.
    """

    number: int
    pid: int
    name: Name | None
    control: socket.socket
    board: Board
    since: float = field(default_factory=time.monotonic)
    evicted: bool = False
    ended_for: str | None = None
    blamed_on: int | None = None
    sight: Sight = field(default_factory=Sight)
    failure: dict[str, Any] | None = None
    # How often in turn it was seen to claim a request without end.
    claims: int = 0

    @property
    def is_idle(self) -> bool:
        """By its own word: loaded, and working on nothing."""
        return not self.board.is_loading and not self.board.serving

    def evict(self) -> None:
        """End it for another's sake, which is no death: callers come again."""
        self.evicted = True
        os.kill(self.pid, signal.SIGKILL)

    def end(self, why: str, connection: int | None = None) -> None:
        """End it for what it did, or did not do, to the request of that connection."""
        if self.ended_for is None and not self.evicted:
            self.ended_for, self.blamed_on = why, connection
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to be made for. ``fds``: the artifact, then golden rows if there are any.

    ``together_from``: the monotonic time before which it answers one request at a time.
    """

    number: int
    spec: ModelSpec
    name: Name | None
    fds: tuple[int, ...]
    limits: Limits
    confinement: Confinement
    load_timeout_s: float
    runtimes: dict[str, str]
    together_from: float = 0.0


def spawn(order: Order) -> Child:
    """Fork a child for the order. Raises OSError when no process can be made."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    board = Board()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        mine.close()
        board.close()
        raise
    finally:
        # In the child it stays open, and referenced by this stack until the process ends.
        if os.getpid() == parent:
            theirs.close()
    if pid == 0:
        _live(order, theirs, board, parent)
    mine.setblocking(False)
    board.hide_from_later_children()
    return Child(order.number, pid, order.name, mine, board)


def _live(order: Order, control: socket.socket, board: Board, parent: int) -> NoReturn:
    """The whole life of a child.

    The parent's objects stay referenced from this stack, so that none of them is ever collected
    and closes a descriptor whose number is in use again.
    """
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.nice(NICENESS)
        children.prepare(order.spec.runtime, order.runtimes, is_inspection=order.name is None)
        network = order.confinement.network
        for_locking = network.fds if network is not None else ()
        _keep_only([control.fileno(), *order.fds, *for_locking])
        try:
            confine(order.limits, parent, order.confinement)
        except OSError as error:
            # Held at the trial and not now: not to be had is not to be lived without.
            control.send(json.dumps({"failed": to_wire(error)}).encode())
            raise
        for fd in for_locking:
            os.close(fd)
        given = children.Assignment(
            spec=order.spec,
            control=control,
            board=board,
            artifact_fd=order.fds[0],
            golden_fd=order.fds[1] if len(order.fds) > 1 else None,
            load_timeout_s=order.load_timeout_s,
            runtimes=order.runtimes,
            confinement=order.confinement,
            together_from=order.together_from,
        )
        serve = children.serve_inspection if order.name is None else children.serve_pooled
        serve(given)
        code = 0
    finally:
        os._exit(code)


def _keep_only(fds: list[int]) -> None:
    """Close every descriptor but these; standard streams become /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def fate_of(child: Child, status: int) -> dict[str, Any]:
    """How a child ended, and whose requests it was working on."""
    if child.evicted:
        return {"fate": "evicted"}
    if child.failure is not None:
        return {"fate": "failed", "error": child.failure}
    loading, serving = child.board.is_loading, child.board.serving
    if child.blamed_on is not None:
        serving = (child.blamed_on,)
    if child.ended_for is not None:
        cause = child.ended_for
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        cause = "deadline" if number == signal.SIGALRM else signal_name(number)
    else:
        cause = f"exit {os.waitstatus_to_exitcode(status)}"
    error = {"kind": "died", "evidence": {"cause": cause, "loading": loading}}
    return {"fate": "died", "error": error, "loading": loading, "serving": list(serving)}


def signal_name(number: int) -> str:
    """Such as ``SIGSEGV``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(slots=True)
class Graves:
    """How children ended, and which models died too often."""

    fates: OrderedDict[int, dict[str, Any]] = field(default_factory=OrderedDict)
    deaths: dict[Name, deque[float]] = field(default_factory=dict)
    alone_until: dict[Name, float] = field(default_factory=dict)

    def bury(self, number: int, fate: dict[str, Any]) -> None:
        """Remember how a child ended."""
        self.fates[number] = fate
        while len(self.fates) > FATES_KEPT:
            self.fates.popitem(last=False)

    def count_group(self, name: Name, now: float) -> None:
        """A death over several requests, of which one may be the cause.

        It counts against the model only where it was to answer one at a time: the next process
        of that model does, for a while, and so it is known then whose request it was.
        """
        if now < self.alone_until.get(name, 0.0):
            self.count(name, now)
        self.alone_until[name] = now + ALONE_S
        for other in [k for k, until in self.alone_until.items() if until < now]:
            del self.alone_until[other]

    def count(self, name: Name, now: float) -> None:
        """One more unwanted death of that model."""
        self.deaths.setdefault(name, deque(maxlen=DEATHS_ALLOWED)).append(now)
        for other in [k for k, v in self.deaths.items() if now - v[-1] > 2 * SUSPENSION_S]:
            del self.deaths[other]

    def suspended_for_s(self, name: Name, now: float) -> float:
        """Seconds for which the model is not started again; 0 when it may be."""
        times = self.deaths.get(name, deque())
        if len(times) < DEATHS_ALLOWED or times[-1] - times[0] > DEATHS_WINDOW_S:
            return 0.0
        return max(0.0, times[-1] + SUSPENSION_S - now)


def log(line: str) -> None:
    """One line on standard error, where the supervisor collects it."""
    sys.stderr.write(f"modelhost: {line}\n")
    sys.stderr.flush()
