"""The killer: breaks one thing after another, drawn from a seed, and mends it a little later."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from tests.chaos.receiver import REFUSING, UNHEARD, WELL, Listener
from tests.services import faults
from tests.services.hosts import Host
from tests.services.postgres import PostgresServer
from tests.services.processes import is_alive
from tests.services.s3 import S3Server
from tests.services.valkey import ValkeyServer

# Kind -> how often, of about a hundred.
KINDS = {
    "child": 35,
    "session": 17,
    "pause": 10,
    "worker": 8,
    "valkey": 8,
    "model-host": 7,
    "beat": 5,
    "postgres": 4,
    "storage": 4,
    "disk": 2,
    "sink": 6,
    "receiver": 4,
}
MEAN_GAP_S = 1.2
RESTART_S = 1.0
STORAGE_S = 3.0
DISK_S = 5.0
RECEIVER_S = 2.0
# So long a session that writes results is waited for.
SINK_S = 1.0


@dataclass(frozen=True)
class Kill:
    """What was done to whom, and when."""

    at: datetime
    kind: str
    victim: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.kind:<10} {self.victim}"


@dataclass
class Victims:
    """Everything that may be broken. ``lease_s``: how long a worker keeps what it has leased."""

    hosts: Sequence[Host]
    postgres: PostgresServer
    database: str
    valkey: ValkeyServer
    s3: S3Server
    lease_s: float
    has_small_disks: bool
    warehouse: str
    listener: Listener


@dataclass(order=True)
class _Later:
    at_s: float
    number: int
    step: Callable[[], None] = field(compare=False)


class Killer:
    """Runs in one thread: what is to be mended later waits in a queue of its own."""

    def __init__(self, victims: Victims, drawn: random.Random, only: str = "") -> None:
        self.kills: list[Kill] = []
        # (chunk, attempt) that a paused process held, once for each pause.
        self.held: list[tuple[int, int]] = []
        self._victims, self._drawn = victims, drawn
        self._later: list[_Later] = []
        self._numbers = itertools.count()
        self._paused: set[int] = set()
        self._starting: set[tuple[str, str]] = set()
        self._full = ExitStack()
        self._is_stopped = False
        self._kinds = {
            kind: weight
            for kind, weight in KINDS.items()
            if (not only or kind == only) and (kind != "disk" or victims.has_small_disks)
        }

    def run(self, seconds: float) -> None:
        """Kill for so long: each kind once, in a drawn order, then as they are drawn."""
        ends_at_s = time.monotonic() + seconds
        first = list(self._kinds)
        self._drawn.shuffle(first)
        while time.monotonic() < ends_at_s:
            weights = list(self._kinds.values())
            kind = first.pop() if first else self._drawn.choices(list(self._kinds), weights)[0]
            self._strike(kind)
            self._start_what_fell()
            self._wait(min(self._drawn.expovariate(1 / MEAN_GAP_S), ends_at_s - time.monotonic()))

    def heal(self) -> None:
        """Mend everything at once; every part runs again."""
        while self._later:
            heapq.heappop(self._later).step()
        for host in self._victims.hosts:
            for part, process in list(host.running.items()):
                if process.poll() is not None:
                    host.start(part)

    def counts(self) -> Counter[str]:
        """How many of each kind."""
        return Counter(kill.kind for kill in self.kills)

    def _strike(self, kind: str) -> None:
        at = datetime.now(UTC)
        victim = getattr(self, "_" + kind.replace("-", "_"))()
        if victim:
            self.kills.append(Kill(at, kind, victim))

    def _wait(self, seconds: float) -> None:
        """Sleep, and mend what is due meanwhile."""
        ends_at_s = time.monotonic() + seconds
        while (left_s := ends_at_s - time.monotonic()) > 0:
            if self._later and self._later[0].at_s <= time.monotonic():
                heapq.heappop(self._later).step()
            else:
                time.sleep(min(left_s, 0.05))

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        due_s = time.monotonic() + seconds
        heapq.heappush(self._later, _Later(due_s, next(self._numbers), step))

    # --- what can be done, each says to whom; empty where there was nobody ------------------------

    def _child(self) -> str:
        host, pid = self._some_child()
        if pid:
            faults.kill(pid)
        return f"{host.name}:{pid}" if pid else ""

    def _pause(self) -> str:
        """Hold a process that has a lease, for two leases: it wakes and is too late."""
        host, pid = self._some_child()
        if not pid or pid in self._paused:
            return ""
        faults.stop(pid)
        self._paused.add(pid)
        held = self._chunk_held_by(f"{host.name}:{pid}")
        if held:
            self.held.append(held)

        def wake() -> None:
            self._paused.discard(pid)
            faults.resume(pid)

        self._after(2 * self._victims.lease_s, wake)
        return f"{host.name}:{pid}" + (
            f" with attempt {held[1]} at chunk {held[0]}" if held else ""
        )

    def _worker(self) -> str:
        return self._part("worker")

    def _model_host(self) -> str:
        return self._part("modelhost")

    def _beat(self) -> str:
        return self._part("beat")

    def _part(self, part: str) -> str:
        living = [h for h in self._victims.hosts if h.running[part].poll() is None]
        if not living:
            return ""
        host = self._drawn.choice(living)
        host.kill(part, signal.SIGKILL)
        host.running[part].wait(10)
        self._start_later(host, part)
        return f"{part} of {host.name}"

    def _start_what_fell(self) -> None:
        """As a supervisor does: a worker ends by itself when its first child is killed."""
        for host in self._victims.hosts:
            for part, process in list(host.running.items()):
                if process.poll() is not None and (host.name, part) not in self._starting:
                    self._start_later(host, part)

    def _start_later(self, host: Host, part: str) -> None:
        self._starting.add((host.name, part))
        self._after(RESTART_S, lambda: self._start(host, part))

    def _start(self, host: Host, part: str) -> None:
        self._starting.discard((host.name, part))
        if host.running[part].poll() is not None:
            host.start(part)

    def _valkey(self) -> str:
        server = self._victims.valkey
        if server.process.poll() is not None:
            return ""
        server.kill()
        self._after(self._drawn.uniform(0.1, 2.0), server.restart)
        return "with all messages"

    def _session(self) -> str:
        with self._connected() as connection:
            found = faults.sessions(connection)
            if not found:
                return ""
            session = self._drawn.choice(found)
            faults.end_session(connection, session)
        return f"session {session}"

    def _postgres(self) -> str:
        self._victims.postgres.kill()
        time.sleep(self._drawn.uniform(0.0, 1.0))
        self._victims.postgres.restart()
        return "the whole server"

    def _storage(self) -> str:
        if self._is_stopped:
            return ""
        pid = self._victims.s3.process.pid
        faults.stop(pid)
        self._is_stopped = True

        def go_on() -> None:
            faults.resume(pid)
            self._is_stopped = False

        self._after(STORAGE_S, go_on)
        return f"{self._victims.s3.name} for {STORAGE_S:.0f} s"

    def _disk(self) -> str:
        host = self._drawn.choice(self._victims.hosts)
        full = ExitStack()
        full.enter_context(faults.full_disk(host.home))
        self._after(DISK_S, full.close)
        return f"{host.name}, full for {DISK_S:.0f} s"

    def _sink(self) -> str:
        """End a session in which results are written into a table, as soon as there is one."""
        ends_at_s = time.monotonic() + SINK_S
        while time.monotonic() < ends_at_s:
            with self._victims.postgres.connect(self._victims.warehouse) as connection:
                found = faults.sessions(connection)
                if found:
                    session = self._drawn.choice(found)
                    faults.end_session(connection, session)
                    return f"session {session}"
            self._wait(0.02)
        return ""

    def _receiver(self) -> str:
        """Webhooks are refused, or taken and not answered, for a while."""
        listener = self._victims.listener
        listener.mood = self._drawn.choice((UNHEARD, REFUSING))

        def be_well() -> None:
            listener.mood = WELL

        self._after(RECEIVER_S, be_well)
        return f"{listener.mood} for {RECEIVER_S:.0f} s"

    # --- whom ------------------------------------------------------------------------------------

    def _some_child(self) -> tuple[Host, int]:
        """A process of some worker; rather one that works on a chunk."""
        hosts = {host.name: host for host in self._victims.hosts}
        busy = [owner.rpartition(":") for owner in self._lease_owners()]
        found = [
            (hosts[name], int(pid)) for name, _, pid in busy if name in hosts and is_alive(int(pid))
        ]
        if not found or self._drawn.random() < 0.2:
            found = [(host, pid) for host in hosts.values() for pid in host.pool_children()]
        free = [(host, pid) for host, pid in found if pid not in self._paused]
        return self._drawn.choice(free) if free else (self._victims.hosts[0], 0)

    def _lease_owners(self) -> list[str]:
        with self._connected() as connection:
            found = connection.execute(
                "SELECT lease_owner FROM serving_batchchunk WHERE state = 'leased' ORDER BY id"
            )
            return [owner for (owner,) in found]

    def _chunk_held_by(self, owner: str) -> tuple[int, int] | None:
        with self._connected() as connection:
            found = connection.execute(
                "SELECT id, attempt FROM serving_batchchunk"
                " WHERE state = 'leased' AND lease_owner = %s ORDER BY id DESC LIMIT 1",
                [owner],
            )
            return found.fetchone()

    def _connected(self) -> psycopg.Connection[object]:
        return self._victims.postgres.connect(self._victims.database)
