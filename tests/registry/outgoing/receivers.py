"""Real servers that take a POST: well-behaved, slow, endless, redirecting, and with TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """One server on 127.0.0.1 and what it was sent."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def url(self, host: str = "127.0.0.1", path: str = "/hook", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


Answer = Callable[[socket.socket, Receiver], None]


def says(text: str) -> Answer:
    def answer(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(text.encode())

    return answer


def status(line: str) -> Answer:
    return says(f"HTTP/1.1 {line}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def drips(connection: socket.socket, receiver: Receiver) -> None:
    """A byte of a header now and then, for ever: each read comes in time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not receiver.is_over.wait(0.05):
        connection.sendall(b"a")


def says_nothing(connection: socket.socket, receiver: Receiver) -> None:
    receiver.is_over.wait()


def never_ends(connection: socket.socket, receiver: Receiver) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not receiver.is_over.is_set():
        connection.sendall(b"a" * 4_096)


@contextmanager
def receiving(
    answer: Answer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        receiver = Receiver(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, receiver, answer, tls))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.is_over.set()
            # Closing does not wake `accept`.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(
    listener: socket.socket, receiver: Receiver, answer: Answer, tls: ssl.SSLContext | None
) -> None:
    while not receiver.is_over.is_set():
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                if tls is None:
                    _talk(connection, receiver, answer)
                else:
                    with tls.wrap_socket(connection, server_side=True) as wrapped:
                        _talk(wrapped, receiver, answer)


def _talk(connection: socket.socket, receiver: Receiver, answer: Answer) -> None:
    receiver.requests.append(_request(connection))
    answer(connection, receiver)


def _request(connection: socket.socket) -> bytes:
    """One whole request with a Content-Length."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65_536)
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
