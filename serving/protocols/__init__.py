"""Plain: the table of protocols: how bytes become validated rows, and answers become bytes.

Each is a module with ``decode(body, head, signature, limits=)`` and ``encode(reply)``, imported on
first use. They know nothing of HTTP objects: a door hands in the body and what the headers say of
it, and sends what comes back.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

PROTOCOLS: dict[str, str] = {
    "native": "serving.protocols.native",
    "open_inference": "serving.protocols.open_inference",
    "invocations": "serving.protocols.invocations",
}


@lru_cache
def load_protocol(key: str) -> ModuleType:
    """The protocol's module. Raises KeyError for a key that is not in the table."""
    return importlib.import_module(PROTOCOLS[key])
