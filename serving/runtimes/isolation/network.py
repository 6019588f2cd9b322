"""A network namespace with nothing in it, made once by the parent and entered by each child.

Entering costs microseconds, where a fresh one for each child costs the kernel much more, and again
when it is torn down. Children could meet in it, if they could make sockets.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from serving.runtimes.isolation import kernel


@dataclass(frozen=True, slots=True)
class EmptyNetwork:
    """Descriptors of namespaces. ``user`` is None where we may enter without one of our own."""

    net: int
    user: int | None

    def enter(self) -> None:
        """Leave the machine's network for good. Raises OSError."""
        if self.user is not None:
            kernel.setns(self.user, kernel.CLONE_NEWUSER)
        kernel.setns(self.net, kernel.CLONE_NEWNET)

    @property
    def fds(self) -> tuple[int, ...]:
        """What a child needs for ``enter``."""
        return (self.net,) if self.user is None else (self.net, self.user)


def prepare() -> EmptyNetwork:
    """Make the namespace: directly where we may, else inside of a user namespace.

    Raises Unsupported with both reasons.
    """
    reasons = []
    for flags in (kernel.CLONE_NEWNET, kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET):
        try:
            return _made(flags)
        except OSError as error:
            reasons.append(error.strerror or str(error))
    raise kernel.Unsupported(f"no empty network: {reasons[0]}; in a user namespace: {reasons[1]}")


def _made(flags: int) -> EmptyNetwork:
    """A short-lived process makes the namespaces and hands over their descriptors."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        pid = os.fork()
        if pid == 0:
            _make_and_hand_over(flags, theirs)
        theirs.close()
        told, fds, _, _ = socket.recv_fds(mine, 16, 2)
        os.waitpid(pid, 0)
    wanted = 2 if flags & kernel.CLONE_NEWUSER else 1
    if len(fds) != wanted:
        code = int(told or b"0")
        raise OSError(code, os.strerror(code))
    return EmptyNetwork(fds[0], fds[1] if wanted == 2 else None)


def _make_and_hand_over(flags: int, to: socket.socket) -> None:
    try:
        kernel.unshare(flags)
        names = ["net", "user"] if flags & kernel.CLONE_NEWUSER else ["net"]
        fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]
        socket.send_fds(to, [b"0"], fds)
    except OSError as error:
        to.send(str(error.errno or 0).encode())
    finally:
        os._exit(0)
