"""Hostile texts in every field of every form of the admin: refused, or shown as texts."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from registry.models import ApprovalRequest, Dataset, ModelVersion, RegisteredModel
from tests import people
from tests.attacks import machines
from tests.attacks.machines import World
from tests.attacks.texts import ELEMENT, HOSTILE, TEMPLATE
from tests.drawing import amount, seed

pytestmark = pytest.mark.django_db

TYPED = ("text", "search", "url", "email", "password", "number", "hidden")


@dataclass
class Form:
    """A form that is posted: where to, and what stands in its fields."""

    action: str
    values: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


class Forms(HTMLParser):
    """Finds the forms of a page that are sent by POST."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a form, or note a field of the one that is open."""
        told = {name: value or "" for name, value in attrs}
        if tag == "form" and told.get("method", "").lower() == "post":
            self._form = Form(told.get("action", ""))
            self.found.append(self._form)
        elif self._form is not None:
            self._field(self._form, tag, told)

    def handle_endtag(self, tag: str) -> None:
        """The form's end."""
        if tag == "form":
            self._form = None

    def _field(self, form: Form, tag: str, told: dict[str, str]) -> None:
        name, kind = told.get("name", ""), told.get("type", "text")
        if tag == "select":
            self._select = name
        if tag == "option" and "selected" in told:
            form.values[self._select] = told.get("value", "")
        is_checked = kind in ("checkbox", "radio") and "checked" in told
        if name and tag == "input" and (is_checked or kind in TYPED):
            form.values[name] = told.get("value", "")
        if name and (tag == "textarea" or (tag == "input" and kind in TYPED)):
            form.values.setdefault(name, "")
            form.texts.append(name)


class Pages:
    """A superuser's session, with something of everything to be looked at."""

    def __init__(self) -> None:
        self.world = world = World()
        root = people.person("root", is_superuser=True, is_staff=True)
        self.client: Client = root.session()
        makers = (
            (machines.SCHEDULES, "enabled"),
            (machines.WEBHOOKS, "enabled"),
            (machines.KEYS, "active"),
            (machines.JOBS, "completed"),
            (machines.ALIAS_REQUESTS, "pending"),
        )
        for machine, state in makers:
            machine.make(world, state)

    def addresses(self) -> Iterator[str]:
        """Every page of the admin: those without a row, and those below the newest row."""
        yield from sorted(set(self._below(get_resolver().url_patterns, "/")))

    def _below(self, patterns: list[Any], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(
                "\\Z"
            )
            if isinstance(pattern, URLResolver):
                yield from self._below(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern) and route.startswith("/admin/"):
                yield from self._filled(route)

    def _filled(self, route: str) -> Iterator[str]:
        if "<uuid:pk>" in route:
            kind = route.split("/")[2:4]
            models = {tuple(m._meta.label_lower.split(".")): m for m in admin.site._registry}
            model = models.get(tuple(kind))  # type: ignore[call-overload]
            row = model and model._default_manager.order_by("-pk").first()
            route = route.replace("<uuid:pk>", str(row.pk)) if row else ""
        if route and "<" not in route and "(" not in route and "logout" not in route:
            yield route

    def shown(self, address: str) -> str:
        """A page's text; empty for what is no page."""
        answer = self.client.get(address)
        assert answer.status_code < 500, address
        is_page = not answer.streaming and answer.get("Content-Type", "").startswith("text/html")
        return answer.content.decode() if is_page and answer.status_code == 200 else ""

    def forms(self) -> Iterator[tuple[str, Form]]:
        """Every form with a text in it, and the address that it is sent to."""
        seen = set()
        for address in self.addresses():
            for form in Forms(self.shown(address)).found:
                target = form.action or address
                names = (target, *form.texts)
                if form.texts and names not in seen:
                    seen.add(names)
                    yield target, form


def _assert_inert(page: str, where: object) -> None:
    """What was sent stands on the page as text, if it does."""
    lowered = page.lower()
    assert "<evil-element" not in lowered, where
    assert "EVILRAN" not in page, where
    assert 'href="javascript:' not in lowered, where


def test_no_form_falls_over_or_shows_what_it_was_sent_as_markup() -> None:
    pages, draw = Pages(), random.Random(seed())
    asked, taken = 0, 0
    for target, form in list(pages.forms()):
        for name in form.texts:
            for text in draw.sample(HOSTILE, amount(len(HOSTILE), short=3)):
                sendable = text.encode("utf-8", "replace").decode()
                with transaction.atomic():
                    answer = pages.client.post(target, form.values | {name: sendable})
                    transaction.set_rollback(True)
                where = (target, name, text[:40])
                assert answer.status_code < 500, where
                assert "X-Evil" not in answer, where
                if not answer.streaming:
                    _assert_inert(answer.content.decode(errors="replace"), where)
                asked, taken = asked + 1, taken + (answer.status_code == 302)
    assert asked > 50
    assert taken > 5


@pytest.mark.parametrize("text", [f"'\">{ELEMENT}", TEMPLATE, "javascript:alert(1)//"])
def test_what_is_stored_everywhere_is_markup_nowhere(text: str) -> None:
    pages = Pages()
    tags = {text: text}
    RegisteredModel.objects.update(description=text, tags=tags)
    ModelVersion.objects.update(description=text, tags=tags, source=text, file_label=text[:200])
    Dataset.objects.update(description=text, tags=tags)
    ApprovalRequest.objects.update(request_reason=text)
    pages.world.olga.user.first_name = text[:150]
    pages.world.olga.user.save()
    pages.client.post(
        "/admin/registry/dataset/",
        {"action": text, "_selected_action": str(uuid.uuid4())},
    )

    shown = 0
    for address in pages.addresses():
        page = pages.shown(address)
        _assert_inert(page, address)
        shown += "evil" in page.lower() or "javascript:alert" in page
    assert shown > 3
