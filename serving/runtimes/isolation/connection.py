"""A caller's connection to a child of the model host, and the few that are kept for the next call.

Connections are never shared between processes: after a fork the child starts with none.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.address import address_of
from serving.runtimes.isolation.errors import HostUnavailable
from serving.runtimes.isolation.protocol import Frame

Name = tuple[str, str]


class Clock:
    """The time that is left of one call, on the machine's monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def left_s(self, grace_s: float = 0.0) -> float:
        """Seconds left, at least a millisecond: a socket's timeout of 0 would mean non-blocking."""
        return max(self.until + grace_s - time.monotonic(), 0.001)

    @property
    def is_over(self) -> bool:
        """No time is left."""
        return time.monotonic() >= self.until


@dataclass(slots=True)
class Connection:
    """``child`` and ``number`` are the host's names for the process and for this connection.

    ``was_loading``: the process was not ready yet when the connection was handed to it.
    """

    sock: socket.socket
    child: int = 0
    number: int = 0
    was_loading: bool = False

    def exchange(
        self,
        clock: Clock,
        header: dict[str, Any],
        body: protocol.Body = b"",
        fds: tuple[int, ...] = (),
        grace_s: float = 0.0,
        max_body_bytes: int = protocol.MAX_BODY_BYTES,
        is_only: bool = False,
    ) -> Frame:
        """Send one frame and wait for its answer.

        Raises EOFError or ConnectionError when the other side has closed, TimeoutError when the
        clock (and the grace) has run out, ProtocolError for an answer that is none.
        """
        self.sock.settimeout(clock.left_s(grace_s))
        protocol.send(self.sock, header, body, fds)
        return self.receive(clock, grace_s, max_body_bytes, is_only)

    def receive(
        self,
        clock: Clock,
        grace_s: float = 0.0,
        max_body_bytes: int = protocol.MAX_BODY_BYTES,
        is_only: bool = False,
    ) -> Frame:
        """Wait for a frame; raises as ``exchange`` does."""
        self.sock.settimeout(clock.left_s(grace_s))
        until = clock.until + grace_s
        return protocol.receive(self.sock, max_body_bytes, until=until, is_only=is_only)

    @property
    def is_stale(self) -> bool:
        """The other side has closed, or sent what nobody asked for."""
        return not protocol.is_quiet(self.sock)

    def close(self) -> None:
        """Close it; the child drops the request that may still be queued."""
        self.sock.close()


def connect(path: Path, clock: Clock) -> Connection:
    """A new connection to the host. Raises HostUnavailable."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(clock.left_s())
        with address_of(path) as address:
            sock.connect(address)
    except OSError as error:
        sock.close()
        raise unavailable() from error
    return Connection(sock)


def unavailable() -> HostUnavailable:
    """The error for a host that does not answer."""
    return HostUnavailable("The model host does not answer.", retry_after_s=1)


class KeptConnections:
    """At most ``most`` idle connections, the least recently used model's closed first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._start_empty()

    def _start_empty(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: OrderedDict[Name, deque[Connection]] = OrderedDict()
        self._count = 0

    def _mine(self) -> None:
        """After a fork: close the copies of the parent's descriptors and start with none.

        The lock is made anew as well, because another thread may have held it at the fork.
        """
        if self._pid == os.getpid():
            return
        inherited = self._idle
        self._start_empty()
        for connections in inherited.values():
            for connection in connections:
                connection.close()

    def take(self, name: Name) -> Connection | None:
        """An idle connection to that model's child that is still open, None without one."""
        self._mine()
        while True:
            with self._lock:
                connections = self._idle.get(name)
                if not connections:
                    return None
                connection = connections.pop()
                self._count -= 1
                if not connections:
                    del self._idle[name]
            if not connection.is_stale:
                return connection
            connection.close()

    def put(self, name: Name, connection: Connection) -> None:
        """Keep a connection on which nothing is under way."""
        self._mine()
        closing = []
        with self._lock:
            self._idle.setdefault(name, deque()).append(connection)
            self._idle.move_to_end(name)
            self._count += 1
            while self._count > self._most:
                oldest = next(iter(self._idle))
                closing.append(self._idle[oldest].popleft())
                self._count -= 1
                if not self._idle[oldest]:
                    del self._idle[oldest]
        for one in closing:
            one.close()

    def close(self) -> None:
        """Close all of them."""
        self._mine()
        with self._lock:
            connections = [one for many in self._idle.values() for one in many]
            self._idle.clear()
            self._count = 0
        for one in connections:
            one.close()
