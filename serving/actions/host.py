"""This process's way to the model host of its machine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from serving.conf import conf
from serving.runtimes.isolation.client import HostClient

# Of the threads of a web process (`WEB_THREADS`), those that may wait for the model host: a quarter
# is left to models that answer in this process and to the pages, whatever the others wait for.
MAX_CALLS = 48
# One slow model leaves places to other models of the host.
MAX_CALLS_OF_ONE = 32


def host() -> HostClient:
    """The client for the socket that is configured now; it keeps its connections."""
    return _client(conf.modelhost_socket)


def confinement() -> str:
    """How far models are confined: ``full``, ``no-netns`` or ``rlimits-only``.

    Raises HostUnavailable.
    """
    return str(host().status()["confinement"]["level"])


@lru_cache(maxsize=4)
def _client(socket: Path) -> HostClient:
    return HostClient(socket, max_calls=MAX_CALLS, max_calls_of_one=MAX_CALLS_OF_ONE)
