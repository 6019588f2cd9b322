"""A small registry and people who look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from registry.models import User
from tests.browser.world import World, make_world

SignIn = Callable[[User], Client]
# Its middleware looks through all static files when it starts: once is enough.
_HANDLER = Client().handler


@pytest.fixture(scope="module")
def _made(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Made once for a module: what its tests change is rolled back test by test."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def world(_made: World, db: None) -> World:
    """Models, versions in every state, datasets, jobs, keys."""
    for row in vars(_made).values():
        row.refresh_from_db()
    return _made


@pytest.fixture
def signed_in() -> SignIn:
    """A client with the session of somebody."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.handler = _HANDLER
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in
