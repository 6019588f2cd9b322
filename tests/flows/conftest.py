"""What the stories share: a started service, keys for it, and the client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache

import httpx
import modelyard
import pytest

from tests.services.stack import ROOT, Stack


@lru_cache(maxsize=32)
def make_key(stack_home: str, user: str, scopes: str) -> str:
    """A key by the command line, as an administrator makes it."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "api_key", "create", "--user", user]
        + ["--name", f"flow {scopes}", "--scopes", scopes],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": stack_home},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


KeyFor = Callable[..., str]


@pytest.fixture(scope="session")
def key_for(live_stack: Stack) -> KeyFor:
    """``key_for("read", "score")``: a key of the admin with these scopes."""

    def make(*scopes: str, user: str = "admin") -> str:
        return make_key(str(live_stack.home), user, ",".join(scopes))

    return make


@pytest.fixture(scope="session")
def client(live_stack: Stack, key_for: KeyFor) -> Iterator[modelyard.Client]:
    """The Python client with a key that may publish."""
    with modelyard.Client(live_stack.url, key_for("read", "score", "publish")) as client:
        yield client


@pytest.fixture(scope="session")
def http(live_stack: Stack, key_for: KeyFor) -> Iterator[httpx.Client]:
    """Bare HTTP below the API's root, with a key that may publish."""
    headers = {"Authorization": f"Bearer {key_for('read', 'score', 'publish')}"}
    root = f"{live_stack.url}/api/v1"
    with httpx.Client(base_url=root, headers=headers, timeout=60) as client:
        yield client
