"""A proxy that ends TLS and keeps a path prefix for one service, as docs/operations.md asks."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOT_PASSED_ON = {"connection", "transfer-encoding", "x-forwarded-for", "x-forwarded-proto"}


class _Handler(BaseHTTPRequestHandler):
    """One request after another, passed on to ``upstream``; nothing outside of ``prefix`` is."""

    protocol_version = "HTTP/1.1"
    upstream: int
    prefix: str
    takes_it_off: bool

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path != self.prefix and not self.path.startswith(f"{self.prefix}/"):
            self.send_error(404)
            return
        kept = {k: v for k, v in self.headers.items() if k.lower() not in NOT_PASSED_ON}
        kept |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https"}
        path = self.path[len(self.prefix) :] or "/" if self.takes_it_off else self.path
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            upstream.request(self.command, path, body or None, kept)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*NOT_PASSED_ON, "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def proxy(
    port: int, upstream: int, prefix: str, certificate: Path, *, takes_it_off: bool = False
) -> Iterator[None]:
    """Listen on a port of this machine while the block runs."""
    told = {"upstream": upstream, "prefix": prefix, "takes_it_off": takes_it_off}
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), told))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def write_certificate(path: Path) -> Path:
    """A certificate for this machine that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pem, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
