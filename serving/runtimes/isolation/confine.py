"""What a child gives up before it reads a single byte of the model, layer by layer.

The order matters, because each layer may take away what the next one needs, and because a change
of namespace or of rights resets the signal that comes with the parent's death.

Which layers there are is found out once, by ``trial``; a child has exactly those, or does not
live.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from serving.runtimes.isolation import kernel, landlock, seccomp
from serving.runtimes.isolation.network import EmptyNetwork

# Enough for the connections of every web and worker process, few enough to end a leak.
MAX_OPEN_FILES = 512

# The layers that a machine may lack, in the order in which they are put on.
OPTIONAL_LAYERS = ("netns", "landlock", "seccomp")
# Without these two, code that a file brings along could reach beyond its process.
NEEDED_FOR_CODE = ("landlock", "seccomp")

Level: TypeAlias = Literal["full", "no-netns", "rlimits-only"]
Layer: TypeAlias = tuple[str, Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """``memory_bytes`` is what the model may have on top of what the warmed process maps.

    ``cpu_s`` is the processor time of the whole life. The kernel ends the process there, and
    nothing that it does can move the mark; the time of one request is ``desk``'s matter.
    """

    memory_bytes: int
    cpu_s: int


@dataclass(frozen=True, slots=True)
class Confinement:
    """Which layers hold on this machine: True, or why not. ``network`` is there with ``netns``."""

    layers: Mapping[str, bool | str] = field(default_factory=dict)
    network: EmptyNetwork | None = None

    def holds(self, layer: str) -> bool:
        """Whether this layer was tried and held."""
        return self.layers.get(layer) is True

    @property
    def level(self) -> Level:
        """``full``; ``no-netns``: only the empty network is missing; ``rlimits-only``: more is."""
        if not all(self.holds(layer) for layer in NEEDED_FOR_CODE):
            return "rlimits-only"
        return "full" if self.holds("netns") else "no-netns"

    @property
    def missing(self) -> str:
        """The layers that do not hold, each with the reason, as one line; empty for none."""
        absent = {name: why for name, why in self.layers.items() if why is not True}
        return "; ".join(f"{name}: {why}" for name, why in absent.items())

    def to_json(self) -> dict[str, Any]:
        """For the host's status."""
        return {"level": self.level, "layers": dict(self.layers)}


def confine(limits: Limits, parent_pid: int, confinement: Confinement) -> None:
    """Lock this process. Raises OSError when a layer cannot be had; exits when orphaned."""
    for name, put_on in layers(limits, parent_pid, confinement.network):
        if name not in OPTIONAL_LAYERS or confinement.holds(name):
            put_on()


def layers(limits: Limits, parent_pid: int, network: EmptyNetwork | None) -> Iterator[Layer]:
    """Every layer in its order, with what puts it on this process for good."""
    if network is not None:
        yield "netns", network.enter
    yield "capabilities", kernel.drop_capabilities
    yield "privileges", lambda: _bind_to_parent(parent_pid)
    yield "limits", lambda: _limit_all(limits)
    yield "landlock", landlock.deny_everything
    yield "seccomp", seccomp.install


def _bind_to_parent(parent_pid: int) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)  # the parent died before the line above: nobody would end this process
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def _limit_all(limits: Limits) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CPU, limits.cpu_s)
    _limit(resource.RLIMIT_AS, mapped_bytes() + limits.memory_bytes)


def mapped_bytes() -> int:
    """The address space of this process now. ``statm`` can be read while not dumpable."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(which, (most, most))
