"""Frames on the model host's sockets: u32 header length, u64 body length, JSON header, body.

Bodies are Arrow IPC streams (or JSON for facts), never pickle. On one connection there is one
request and then its one answer: nothing is ever sent ahead, so that a connection can be handed
over between two frames. Descriptors travel beside a frame by SCM_RIGHTS.
"""

from __future__ import annotations

import array
import json
import math
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

PREFIX = struct.Struct("!IQ")
MAX_HEADER_BYTES = 256 * 1024
MAX_DEPTH = 32
# The longest that one request may take, whatever its caller says.
MAX_DEADLINE_S = 3600.0
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


def receive(
    sock: socket.socket,
    max_body_bytes: int = MAX_BODY_BYTES,
    until: float | None = None,
    *,
    is_only: bool = False,
) -> Frame:
    """The next frame; descriptors that come with it are closed by the kernel.

    ``until``: the monotonic time by which the whole of it has to be there, however small the
    pieces in which it comes. Without, each piece may take as long as the socket's timeout.
    ``is_only``: nothing can follow it before we have spoken, so that a small one takes one call;
    what follows nevertheless is an error. Raises EOFError when the other side has closed,
    ProtocolError, or OSError (TimeoutError).
    """
    have = sock.recv(_SMALL_BYTES) if is_only else b""
    if is_only and not have:
        raise EOFError("the other side has closed the connection")
    if len(have) < PREFIX.size:
        have = _more(sock, have, PREFIX.size, until)
    n_header, n_body = lengths(have, max_body_bytes)
    n_head = PREFIX.size + n_header
    if len(have) > n_head + n_body:
        raise ProtocolError("more than one frame was sent")
    if n_head + n_body <= _SMALL_BYTES:
        whole = _more(sock, have, n_head + n_body, until)
        return Frame(header_of(whole[PREFIX.size : n_head]), whole[n_head:])
    have = _more(sock, have, n_head, until)
    # allocate_buffer does not touch its pages: a length that never arrives costs no memory.
    body = pa.allocate_buffer(n_body)
    view, begun = memoryview(body).cast("B"), len(have) - n_head
    view[:begun] = have[n_head:]
    _fill(sock, view[begun:], until)
    return Frame(header_of(have[PREFIX.size : n_head]), body)


def _more(sock: socket.socket, have: bytes, size: int, until: float | None) -> bytes:
    """What has come and as much as is lacking of ``size`` bytes."""
    if len(have) >= size:
        return have
    rest = bytearray(size - len(have))
    _fill(sock, memoryview(rest), until)
    return have + rest


def _fill(sock: socket.socket, view: memoryview, until: float | None) -> None:
    """Receive exactly as many bytes as the view has: what follows may be for another reader."""
    have = 0
    while have < len(view):
        if have and until is not None:
            sock.settimeout(max(until - time.monotonic(), 0.001))
        got = sock.recv_into(view[have:])
        if got == 0:
            raise EOFError("the other side has closed the connection")
        if until is not None and time.monotonic() > until:
            raise TimeoutError("the frame was not complete in time")
        have += got


def is_quiet(sock: socket.socket) -> bool:
    """Whether the other side has neither closed nor sent anything that is not yet read."""
    return not not_quiet([sock])


def not_quiet(socks: Iterable[socket.socket]) -> set[int]:
    """The descriptors of those whose other side has closed, or sent what is not yet read.

    A poll, because ``recv`` on a socket with a timeout waits even when told not to.
    """
    poller = select.poll()
    for sock in socks:
        poller.register(sock, select.POLLIN | select.POLLRDHUP)
    return {fd for fd, _ in poller.poll(0)}


def lengths(start: bytes | bytearray, max_body_bytes: int) -> tuple[int, int]:
    """Header and body length out of a prefix. Raises ProtocolError over the caps."""
    n_header, n_body = PREFIX.unpack_from(start)
    if n_header > MAX_HEADER_BYTES or n_body > max_body_bytes:
        raise ProtocolError(f"a frame of {n_header} + {n_body} bytes is over the cap")
    return n_header, n_body


def header_of(text: bytes | bytearray) -> dict[str, Any]:
    """The JSON object of a header. Raises ProtocolError."""
    try:
        header = strict_object(text)
    except ValueError as error:
        raise ProtocolError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("the header is not a JSON object")
    return header


def strict_object(text: bytes | bytearray | memoryview) -> Any:
    """JSON of a process that runs a model: no infinity, no NaN, no half characters, no NUL.

    Python would pass all of these on to a database or a page that takes none of them. Nor is it
    nested so deep that it could be read, and then not be written again. Raises ValueError.
    """
    raw = bytes(text)
    try:
        value = json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check_depth(value)
    lower = raw.lower()
    if b"\\ud" in lower:  # otherwise there cannot be halves of a character
        json.dumps(value, ensure_ascii=False).encode()
    if b"\\u0000" in lower:
        raise ValueError("a text holds NUL")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            one
            for container in level
            if isinstance(container, dict | list)
            for one in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def storable(value: Any) -> Any:
    """The same as JSON that ``strict_object`` takes: what it refuses is shown as text.

    For evidence, which quotes files and models; what is no JSON at all becomes its text too.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{SYMBOL FOR NULL}")
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(storable(str(key))): storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [storable(one) for one in value]
    return value if isinstance(value, int | None) else storable(str(value)[:200])


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def close_all(fds: list[int]) -> None:
    """Close descriptors that came with a frame and are not kept."""
    for fd in fds:
        os.close(fd)
