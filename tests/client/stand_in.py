"""A stand-in for the service: a real HTTP server on loopback that speaks its contract.

It keeps what it received, honours idempotency keys, and does what ``script`` says before that: to
break a connection before or after the work is done, or to answer something else.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

API = "/api/v1"


@dataclass
class Reply:
    """An answer: ``body`` is JSON unless it is bytes."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None  # bytes of the body after which the connection breaks

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


def problem(status: int, code: str, *, headers: dict[str, str] | None = None, **members) -> Reply:
    """A problem document as the service writes them."""
    document = {
        "type": f"http://example/docs/errors#{code}",
        "title": members.pop("title", code.replace("-", " ")),
        "status": status,
        "code": code,
        "instance": "req-1",
        **members,
    }
    media_type = {"Content-Type": "application/problem+json"}
    return Reply(status, document, media_type | (headers or {}))


BREAK_BEFORE = "break before the work is done"
BREAK_AFTER = "break after the work is done"


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    def parts(self) -> dict[str, bytes]:
        """A form's parts by name."""
        return {name: content for name, (_, content) in self.named_parts().items()}

    def named_parts(self) -> dict[str, tuple[str | None, bytes]]:
        """A form's parts by name, with file names."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        found = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            found[name] = (part.get_filename(), part.get_payload(decode=True))
        return found


class StandIn:
    """The service's state and its routes."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: list[object] = []
        self.replays: dict[tuple[str, str], Reply] = {}
        self.versions: dict[str, list[dict]] = {}
        self.datasets: dict[str, list[dict]] = {}
        self.jobs: dict[str, dict] = {}
        self.job_states: list[dict] = []  # what the job becomes at each look
        self.check_states: list[dict] = []  # what a version becomes at each look
        self.dataset_states: list[dict] = []
        self.promotion = Reply(202, {"state": "pending", "subject": "tier"})
        self.files: dict[str, bytes] = {}  # download path -> bytes
        self.predict: Callable[[Received], Reply] = lambda request: Reply(
            200, {"model": "churn", "version": 3, "predictions": ["yes"], "request_id": "req-1"}
        )
        self.url = ""

    def of(self, method: str, ending: str = "") -> list[Received]:
        """The requests of one method whose path ends so."""
        return [r for r in self.received if r.method == method and r.path.endswith(ending)]

    def answer(self, request: Received) -> Reply:
        key = request.headers.get("idempotency-key")
        if key and (request.path, key) in self.replays:
            return self.replays[request.path, key]
        reply = self.route(request)
        if key and reply.status < 400:
            self.replays[request.path, key] = reply
        return reply

    def route(self, request: Received) -> Reply:  # noqa: C901  (a table of routes)
        path = request.path.removeprefix(API)
        parts = path.strip("/").split("/")
        if request.method == "GET" and path in self.files:
            return Reply(200, self.files[path], {"Content-Type": "application/octet-stream"})
        match (request.method, *parts):
            case ("POST", "models", *_, "predict"):
                return self.predict(request)
            case ("POST", "models", name, "versions"):
                return self.new_version(request, name)
            case ("GET", "models", name, "versions"):
                return self.page(request, self.versions.get(name, [])[::-1])
            case ("GET", "models", name, "versions", number):
                return self.version(name, int(number))
            case ("PUT", "models", name, "aliases", alias):
                return Reply(200, {"alias": alias, **request.json})
            case ("GET", "models"):
                return self.page(request, [{"name": n, "kind": "model"} for n in self.versions])
            case ("POST", "datasets"):
                return self.new_dataset(request)
            case ("GET", "datasets"):
                return self.page(request, [{"name": name} for name in self.datasets])
            case ("POST", "datasets", name, "archive" | "unarchive") if name in self.datasets:
                return Reply(200, {"name": name, "classification": "internal"})
            case ("POST", "datasets", name, "versions", _, "promote") if name in self.datasets:
                return self.promotion
            case ("GET", "datasets", name, "versions") if name in self.datasets:
                return self.page(request, self.datasets[name][::-1])
            case ("GET", "datasets", name, "versions", number) if name in self.datasets:
                found = self.datasets[name][int(number) - 1]
                found.update(self.dataset_states.pop(0) if self.dataset_states else {})
                return Reply(200, found)
            case ("POST", "batch-jobs"):
                return self.new_job(request)
            case ("GET", "batch-jobs", id) if id in self.jobs:
                self.jobs[id].update(self.job_states.pop(0) if self.job_states else {})
                return Reply(200, self.jobs[id])
            case ("POST", "batch-jobs", id, "cancel"):
                self.jobs[id]["state"] = "cancelled"
                return Reply(200, self.jobs[id])
        return problem(404, "not-found", detail=f"There is nothing at {path}.")

    def page(self, request: Received, rows: list) -> Reply:
        page, size = int(request.query.get("page", 1)), int(request.query.get("page_size", 2))
        shown = rows[(page - 1) * size : page * size]
        following = "http://elsewhere.invalid/next" if page * size < len(rows) else None
        return Reply(200, {"count": len(rows), "next": following, "results": shown})

    def new_version(self, request: Received, name: str) -> Reply:
        versions, parts = self.versions.setdefault(name, []), request.parts()
        versions.append(
            {
                "number": len(versions) + 1,
                "status": "pending",
                "checks": [],
                "description": parts.get("description", b"").decode(),
                "tags": json.loads(parts.get("tags", b"{}")),
            }
        )
        return Reply(202, dict(versions[-1]))

    def version(self, name: str, number: int) -> Reply:
        if len(self.versions.get(name, [])) < number:
            return problem(404, "version-not-found", detail="No such version.")
        found = self.versions[name][number - 1]
        found.update(self.check_states.pop(0) if self.check_states else {})
        return Reply(200, found)

    def new_dataset(self, request: Received) -> Reply:
        versions = self.datasets.setdefault(request.parts()["name"].decode(), [])
        versions.append({"number": len(versions) + 1, "status": "pending"})
        return Reply(202, dict(versions[-1]))

    def new_job(self, request: Received) -> Reply:
        name = str(request.json.get("dataset", "")).partition("@")[0]
        if "source" not in request.json and name not in self.datasets:
            return problem(404, "dataset-not-found", detail=f"No dataset {name}.")
        id = f"job-{len(self.jobs) + 1}"
        self.jobs[id] = {"id": id, "state": "queued", "rows_total": None, "rows_done": 0}
        return Reply(202, dict(self.jobs[id]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: StandIn

    def handle(self) -> None:
        """A client that hangs up is what some tests are about."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def handle_one(self) -> None:
        request = self.read()
        if request is None:
            self.hang_up()
            return
        self.service.received.append(request)
        scripted = self.service.script.pop(0) if self.service.script else None
        if scripted == BREAK_BEFORE:
            self.hang_up()
            return
        reply = scripted if isinstance(scripted, Reply) else self.service.answer(request)
        if scripted == BREAK_AFTER:
            self.hang_up()
            return
        self.write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def read(self) -> Received | None:
        """The request; None for one that broke off."""
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            return None
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(
            self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body
        )

    def write(self, reply: Reply) -> None:
        content = reply.content
        self.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: reply.cut_at])
        if reply.cut_at is not None:
            self.wfile.flush()
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what was received."""


@contextlib.contextmanager
def running() -> Iterator[StandIn]:
    """A stand-in that answers at ``url`` for the block."""
    service = StandIn()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
