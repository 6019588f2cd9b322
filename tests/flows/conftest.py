"""What the stories share: a started service, keys for it, and the client."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache

import httpx
import modelyard
import pytest
from modelyard import waiting

from tests.flows import stories
from tests.services.stack import ROOT, Stack

# Polling would bury what matters in the log of a failure.
logging.getLogger("httpx").setLevel(logging.WARNING)

# Runs in the service's own settings: people with a group each, and one key that has expired.
_MAKE_PEOPLE = """
import json
from datetime import timedelta
from django.contrib.auth.models import Group
from django.utils import timezone
from registry import roles
from registry.actions.access import create_api_key, roles_held
from registry.models import ApiKey, User
from registry.principals import Principal

def key_of(user):
    scopes = [s for s, role in roles.SCOPE_ROLES.items() if role in roles_held(user)]
    return create_api_key(by=Principal(user), user=user, name="flow", scopes=scopes)

keys = {}
groups = {"olga": "Publishers", "anna": "Approvers", "marie": "Managers", "vera": "Viewers"}
for name, group in groups.items():
    user = User.objects.create_user(username=name)
    user.groups.add(Group.objects.get(name=group))
    keys[name] = key_of(user)[1]
old, keys["expired"] = key_of(User.objects.get(username="olga"))
ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=1))
for name in ("tariq", "sam"):
    User.objects.create_user(username=name)
print(json.dumps(keys))
"""


@lru_cache(maxsize=32)
def make_key(stack_home: str, user: str, scopes: str) -> str:
    """A key by the command line, as an administrator makes it."""
    made = subprocess.run(
        [
            *(sys.executable, str(ROOT / "manage.py"), "api_key", "create"),
            *("--user", user, "--name", f"flow {scopes}", "--scopes", scopes),
        ],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": stack_home},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client pauses for up to five seconds between two looks; what is awaited here is short."""
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE_S", 0.1)


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


@dataclass(frozen=True)
class People:
    """HTTP below the API's root as somebody, with all scopes that they can have.

    Tariq and Sam are users without any role, and so without a key: see ``holding``.
    """

    olga: httpx.Client
    """publishes"""
    anna: httpx.Client
    """approves"""
    marie: httpx.Client
    """manages everything"""
    vera: httpx.Client
    """may look"""
    expired: httpx.Client
    """olga with a key of yesterday"""
    holding: Callable[[str], httpx.Client]
    """with the key of this text"""


@pytest.fixture(scope="session")
def people(live_stack: Stack) -> Iterator[People]:
    """The people of the stories."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c", _MAKE_PEOPLE],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": str(live_stack.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    with ExitStack() as opened:

        def holding(key: str) -> httpx.Client:
            return opened.enter_context(
                httpx.Client(
                    base_url=f"{live_stack.url}/api/v1",
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=60,
                )
            )

        keys = json.loads(made.stdout)
        yield People(**{name: holding(key) for name, key in keys.items()}, holding=holding)


@pytest.fixture(scope="session")
def olga(people: People) -> httpx.Client:
    """She publishes, and is the manager of what she has made."""
    return people.olga


@pytest.fixture(scope="session")
def model(olga: httpx.Client) -> str:
    """A model of Olga's with one ready version, its champion; nobody changes it."""
    stories.registered(olga, "story")
    return "story"


@pytest.fixture(scope="session")
def rows(olga: httpx.Client) -> str:
    """A dataset of Olga's that the model ``story`` can score; nobody changes it."""
    stories.dataset(olga, "story-rows", stories.as_csv())
    return "story-rows"
