"""What granian runs for the tests of headers: our layers, and an application that says all."""

from __future__ import annotations

import ipaddress
import json
import os
from typing import Any

from config.body import Framing
from config.forwarded import Forwarded


def _told(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The environ, and the body as far as its length says; the error where it has none."""
    try:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    except Exception as error:
        body = repr(error)
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    answer = json.dumps({**told, "body": body}).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


application = Forwarded(
    Framing(_told, max_body_bytes=1_000, max_form_bytes=1_000, folder="/tmp"),
    (ipaddress.ip_network("127.0.0.1/32"),),
    os.environ.get("PROXY_HEADERS", "x-forwarded"),
)
