"""Callers of the model host that have not been handed over to a child: frames in, frames out."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.offspring import log

MAX_FDS_IN_FRAME = 2
GUEST_PATIENCE_S = 60.0


@dataclass(slots=True)
class Guest:
    """A connection that has not been handed over yet; ``fate_of`` when it waits for an end."""

    sock: socket.socket
    since: float
    received: bytearray = field(default_factory=bytearray)
    fds: list[int] = field(default_factory=list)
    fate_of: int | None = None

    @property
    def is_gone(self) -> bool:
        """Sent away, or handed over."""
        return self.sock.fileno() < 0


class Reception:
    """Never waits for anybody. ``act`` is called with each whole frame."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        act: Callable[[Guest, dict[str, Any]], None],
    ) -> None:
        self._selector, self._listener, self._act = selector, listener, act
        self._guests: dict[int, Guest] = {}
        selector.register(listener, selectors.EVENT_READ, ("listener", None))

    def welcome(self) -> None:
        """Take a connection in."""
        try:
            sock, _ = self._listener.accept()
        except OSError:  # the caller is gone again, or descriptors are short
            return
        sock.setblocking(False)
        guest = Guest(sock, time.monotonic())
        self._guests[sock.fileno()] = guest
        self._selector.register(sock, selectors.EVENT_READ, ("guest", guest))

    def listen_to(self, guest: Guest) -> None:
        """Read what has come, and act on it when it is a whole frame."""
        if guest.sock.fileno() not in self._guests:
            return  # sent away by an earlier event of the same round
        try:
            data, fds, _, _ = socket.recv_fds(guest.sock, 65536, MAX_FDS_IN_FRAME)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        guest.fds.extend(fds)
        guest.received += data
        if not data or len(guest.fds) > MAX_FDS_IN_FRAME:
            self.dismiss(guest)
            return
        try:
            header = self._frame_of(guest)
            if header is not None:
                self._act(guest, header)
        except Exception as error:  # whatever one caller does, the host serves the others
            log(f"a caller was sent away: {error!r}")
            self.dismiss(guest)

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

    def reply(self, guest: Guest, header: dict[str, Any]) -> bool:
        """Answer without ever waiting: a caller that does not read is sent away."""
        text = protocol.encode(header)
        try:
            if guest.sock.send(text) == len(text):
                return True
        except OSError:
            pass
        self.dismiss(guest)
        return False

    def dismiss(self, guest: Guest) -> None:
        """Close our copy of the connection and of its descriptors."""
        if self._guests.pop(guest.sock.fileno(), None) is not None:
            self._selector.unregister(guest.sock)
        guest.sock.close()
        protocol.close_all(guest.fds)
        guest.fds.clear()

    def refuse(self, guest: Guest, why: str) -> None:
        """Say that there is no room."""
        self.reply(guest, {"error": {"kind": "busy", "message": why}})

    def tell_fate(self, number: int, fate: dict[str, Any]) -> None:
        """Answer everybody who waits for the end of that child."""
        for guest in [g for g in self._guests.values() if g.fate_of == number]:
            guest.fate_of = None
            self.reply(guest, fate)

    def send_away_the_silent(self) -> None:
        """Dismiss who has been here for a minute without being handed over."""
        limit = time.monotonic() - GUEST_PATIENCE_S
        for guest in [g for g in self._guests.values() if g.since < limit]:
            self.dismiss(guest)
