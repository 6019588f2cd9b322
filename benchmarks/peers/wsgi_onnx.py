"""The least that Python can do: a WSGI callable in front of onnxruntime; no check of anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parent))

from graph_rows import Graph

graph = Graph()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Rows in, predictions out."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = orjson.dumps(graph.answer(orjson.loads(body)["instances"]))
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]
