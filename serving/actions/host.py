"""This process's way to the model host of its machine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from serving.conf import conf
from serving.runtimes.isolation.client import HostClient


def host() -> HostClient:
    """The client for the socket that is configured now; it keeps its connections."""
    return _client(conf.modelhost_socket)


@lru_cache(maxsize=4)
def _client(socket: Path) -> HostClient:
    return HostClient(socket)
