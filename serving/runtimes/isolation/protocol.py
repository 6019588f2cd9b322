"""Frames on the model host's sockets: u32 header length, u64 body length, JSON header, body.

Bodies are Arrow IPC streams (or JSON for facts), never pickle. On one connection there is one
request and then its one answer: nothing is ever sent ahead, so that a connection can be handed
over between two frames. Descriptors travel beside a frame by SCM_RIGHTS.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import struct
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

PREFIX = struct.Struct("!IQ")
MAX_HEADER_BYTES = 256 * 1024
MAX_BODY_BYTES = 1024**3
_SMALL_BYTES = 64 * 1024

Body: TypeAlias = Any  # bytes, memoryview or pa.Buffer, which has no types


class ProtocolError(Exception):
    """The other side sent what is no frame, or more than the caps allow."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model a child holds. ``key`` names the version; the same key with other bytes is
    another model. ``input_form`` is the form kept with the version, None when not yet known.
    """

    key: str
    format: str
    runtime: str
    sha256: str
    input_form: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Any) -> ModelSpec:
        """What ``to_json`` wrote. Raises ProtocolError for anything else."""
        names = ("key", "format", "runtime", "sha256")
        if not isinstance(stored, dict) or not all(isinstance(stored.get(n), str) for n in names):
            raise ProtocolError("a spec has key, format, runtime and sha256")
        form = stored.get("input_form")
        return cls(**{n: stored[n] for n in names}, input_form=None if form is None else str(form))


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``body`` is empty when there is none."""

    header: dict[str, Any]
    body: Body = b""
    fds: list[int] = field(default_factory=list)


def encode(header: dict[str, Any], body_bytes: int = 0) -> bytes:
    """Prefix and header of a frame."""
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise ProtocolError(f"the header has {len(text)} bytes, the limit is {MAX_HEADER_BYTES}")
    return PREFIX.pack(len(text), body_bytes) + text


def send(
    sock: socket.socket, header: dict[str, Any], body: Body = b"", fds: tuple[int, ...] = ()
) -> None:
    """Send a whole frame. Raises OSError (TimeoutError included) as the socket does."""
    view = memoryview(body).cast("B")
    head = encode(header, len(view))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sent = sock.sendmsg([head, view], rights)
    if sent < len(head):
        sock.sendall(head[sent:])
        sent = len(head)
    if sent - len(head) < len(view):
        sock.sendall(view[sent - len(head) :])


def receive(sock: socket.socket, max_body_bytes: int = MAX_BODY_BYTES) -> Frame:
    """The next frame without descriptors.

    Raises EOFError when the other side has closed, ProtocolError, or OSError.
    """
    prefix = bytearray(PREFIX.size)
    _fill(sock, memoryview(prefix))
    n_header, n_body = lengths(prefix, max_body_bytes)
    if n_header + n_body <= _SMALL_BYTES:
        both = bytearray(n_header + n_body)
        _fill(sock, memoryview(both))
        return Frame(header_of(both[:n_header]), bytes(both[n_header:]))
    header = bytearray(n_header)
    _fill(sock, memoryview(header))
    # allocate_buffer does not touch its pages: a length that never arrives costs no memory.
    body = pa.allocate_buffer(n_body)
    _fill(sock, memoryview(body).cast("B"))
    return Frame(header_of(header), body)


def _fill(sock: socket.socket, view: memoryview) -> None:
    """Receive exactly as many bytes as the view has: what follows may be for another reader."""
    have = 0
    while have < len(view):
        got = sock.recv_into(view[have:])
        if got == 0:
            raise EOFError("the other side has closed the connection")
        have += got


def is_quiet(sock: socket.socket) -> bool:
    """Whether the other side has neither closed nor sent anything that is not yet read.

    A poll, because ``recv`` on a socket with a timeout waits even when told not to.
    """
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLRDHUP)
    return not poller.poll(0)


def lengths(start: bytes | bytearray, max_body_bytes: int) -> tuple[int, int]:
    """Header and body length out of a prefix. Raises ProtocolError over the caps."""
    n_header, n_body = PREFIX.unpack_from(start)
    if n_header > MAX_HEADER_BYTES or n_body > max_body_bytes:
        raise ProtocolError(f"a frame of {n_header} + {n_body} bytes is over the cap")
    return n_header, n_body


def header_of(text: bytes | bytearray) -> dict[str, Any]:
    """The JSON object of a header. Raises ProtocolError."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("the header is not a JSON object")
    return header


def close_all(fds: list[int]) -> None:
    """Close descriptors that came with a frame and are not kept."""
    for fd in fds:
        os.close(fd)
