"""Who is told of jobs by webhook: notes each call, and at times does not answer as one should."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaos.seen import Call

# How it takes a call: well; it notes it and hangs up, so that the sender does not know; not at all.
WELL, UNHEARD, REFUSING = "well", "unheard", "refusing"


class Listener:
    """What has arrived, in ``calls``; ``mood`` says how the next ones are taken."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.mood = WELL
        self.url = ""
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> str:
        """Note a call; the mood in which it is answered."""
        # Here: it knows the models, and this is imported before there are any.
        from tests.registry.webhooks.outbox import is_signed

        mood, told = self.mood, json.loads(body)
        call = Call(
            delivery=headers["x-modelyard-delivery"],
            event=told["event"],
            job=told.get("job", {}).get("id", ""),
            is_signed=is_signed(headers, body),
            digest=hashlib.sha256(body).hexdigest(),
            is_taken=mood != REFUSING,
        )
        with self._lock:
            self.calls.append(call)
        return mood

    def told(self) -> list[dict[str, object]]:
        """The calls as JSON."""
        with self._lock:
            return [asdict(call) for call in self.calls]


@contextmanager
def listening() -> Iterator[Listener]:
    """A server on this machine, until the end of the block."""
    listener = Listener()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            mood = listener.take({k.lower(): v for k, v in self.headers.items()}, body)
            if mood != UNHEARD:
                self.send_response(503 if mood == REFUSING else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the calls are kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        listener.url = f"http://127.0.0.1:{server.server_port}/jobs"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()
