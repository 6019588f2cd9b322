"""Every action of the audit trail has words for the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from registry.actions.webhooks import EVENTS
from registry.admin.audit_events import ActionFilter, kind_in_words
from registry.admin.event_words import WORDS, words_of
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

KINDS = {"batchjob": "batch job", "registeredmodel": "registered model", "group": "group", "": ""}
ROOT = Path(__file__).parents[3]
_ACTION = re.compile(rf"({'|'.join(ActionFilter.SUBJECTS.values())}|route)\.[a-z_]+")


def written_actions() -> Iterator[str]:
    """Texts that look like an action and are handed to something that records."""
    for folder in ("registry/actions", "registry/admin", "serving/actions"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "event_words.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and _ACTION.fullmatch(text):
                    yield text


def test_every_action_that_is_written_has_words() -> None:
    written = set(written_actions())
    assert len(written) > 25
    # What webhooks tell of has names of its own, some of which read alike.
    assert written - set(WORDS) - set(EVENTS) == set()


@pytest.mark.parametrize(
    ("action", "words"),
    [("version.pin", "pinned the engine of"), ("api_token.turn_over", "turn over api token")],
)
def test_words_of(action: str, words: str) -> None:
    assert words_of(action) == words


def test_the_first_page_and_the_trail_speak_words(world: World, signed_in: SignIn) -> None:
    admin: Client = signed_in(world.admin)
    first = admin.get("/admin/").content.decode()
    assert ">made the schedule</a>" in first
    assert ">schedule.create<" not in first
    listed = admin.get(reverse("admin:registry_auditevent_changelist")).content.decode()
    assert "made the schedule" in listed


def test_kinds_of_objects_are_said_in_words() -> None:
    assert {kind: kind_in_words(kind) for kind in KINDS} == KINDS
