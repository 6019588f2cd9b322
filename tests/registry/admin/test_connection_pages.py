"""Pages of connections: managers make and change them, the password is never shown."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import Connection, Grant
from registry.sealing import unseal
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

NEW = "/admin/registry/connection/add/"
SECRET = "gaensebluemchen-17"
FORM = {
    "name": "shop",
    "driver": "postgresql",
    "address": "postgresql://reader@127.0.0.1:1/shop",
    "secret": SECRET,
    "allows_reading": "on",
    "classification": "internal",
    "description": "The shop's **orders**.",
}


@pytest.fixture
def admin(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.admin)


def url(row: Connection, page: str = "change") -> str:
    return reverse(f"admin:registry_connection_{page}", args=[row.pk])


def made(admin: Client) -> Connection:
    assert admin.post(NEW, FORM).status_code == 302
    return Connection.objects.get()


def test_a_connection_is_made_and_shown_without_its_password(admin: Client) -> None:
    row = made(admin)
    assert unseal(row.sealed_secret) == SECRET
    for page in (url(row), url(row, "edit"), "/admin/registry/connection/"):
        answer = admin.get(page)
        assert answer.status_code == 200
        assert FORM["address"] in answer.content.decode()
        assert SECRET not in answer.content.decode()


def test_a_refusal_stands_beside_its_field(admin: Client) -> None:
    answer = admin.post(NEW, {**FORM, "address": "postgresql://u:p@h/d"})
    assert "holds a password" in answer.content.decode()
    assert not Connection.objects.exists()


def test_an_empty_password_stays_and_a_new_address_asks_for_it(admin: Client) -> None:
    row = made(admin)
    form = {
        "address": FORM["address"],
        "allows_writing": "on",
        "classification": "restricted",
        "enabled": "on",
        "secret": "",
    }
    assert admin.post(url(row, "edit"), form).status_code == 302
    row.refresh_from_db()
    assert (row.allows_reading, row.allows_writing, unseal(row.sealed_secret)) == (
        False,
        True,
        SECRET,
    )
    answer = admin.post(url(row, "edit"), {**form, "address": "postgresql://h/other"})
    assert "needs the secret again" in answer.content.decode()
    assert admin.post(url(row, "edit"), {**form, "forget_secret": "on"}).status_code == 302
    row.refresh_from_db()
    assert row.sealed_secret == ""


def test_trying_says_what_came_of_it(admin: Client) -> None:
    row = made(admin)
    answer: Any = admin.post(url(row, "test"), follow=True)
    assert "does not answer" in answer.content.decode()


def test_a_role_for_everything_shows_a_connection_and_opens_it_for_nothing(
    admin: Client, world: World, signed_in: SignIn
) -> None:
    row = made(admin)
    mate = signed_in(world.mate)
    assert mate.get(NEW).status_code == mate.post(NEW, FORM).status_code == 403
    page = mate.get(url(row))
    assert page.status_code == 200
    assert "Try it" not in page.content.decode()
    assert mate.get(url(row, "edit")).status_code == 403
    Grant.objects.create(user=world.mate, role="scorer", connection=row)
    assert "Try it" in mate.get(url(row)).content.decode()
