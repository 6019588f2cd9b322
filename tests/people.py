"""The people of the tests: an owner, a team-mate, a stranger, an approver, and their keys.

Names are fixed and readable. Each factory answers with a ``Person``, whose ``client()`` carries a
key and whose ``session()`` is signed in through a browser session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from registry import roles
from registry.actions.access import create_api_key
from registry.models import ApiKey, Dataset, Grant, GroupRole, RegisteredModel, User
from registry.principals import Principal

GROUPS = {
    "viewer": "Viewers",
    "scorer": "Scorers",
    "publisher": "Publishers",
    "approver": "Approvers",
    "manager": "Managers",
}
_SCOPES_OF = {role: scope for scope, role in roles.SCOPE_ROLES.items()}


@dataclass(frozen=True)
class Person:
    """A user of the tests."""

    user: User

    @property
    def by(self) -> Principal:
        """The user as a principal without a key."""
        return Principal(self.user)

    def key(
        self,
        scopes: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        **options: Any,
    ) -> tuple[ApiKey, str]:
        """A key of theirs and its text; with every scope that they can have, unless told."""
        return create_api_key(
            by=self.by,
            user=self.user,
            name=f"{self.user}'s key",
            scopes=self._all_scopes() if scopes is None else scopes,
            models=models,
            **options,
        )

    def client(
        self,
        scopes: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        **options: Any,
    ) -> Client:
        """A client that sends a key. Somebody without any role has no key: a session is used."""
        if not self._all_scopes():
            return self.session()
        return client_with(self.key(scopes, models, **options)[1])

    def session(self, **options: Any) -> Client:
        """A client with a browser session and no key."""
        client = Client(raise_request_exception=False, **options)
        client.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def _all_scopes(self) -> list[str]:
        from registry.actions.access import roles_held

        return [_SCOPES_OF[role] for role in roles.ROLES if role in roles_held(self.user)]


def client_with(key_text: str) -> Client:
    """A client that sends this key. Errors come back as answers, never as exceptions."""
    return Client(headers={"Authorization": f"Bearer {key_text}"}, raise_request_exception=False)


def person(username: str, *, role: str | None = None, **fields: Any) -> Person:
    """A user; with ``role`` a member of the group that holds it on everything."""
    user = User.objects.create_user(username=username, password="a-long-pass-word", **fields)
    if role is not None:
        # A test that empties the tables takes the groups of the migrations with it.
        group, _ = Group.objects.get_or_create(name=GROUPS[role])
        GroupRole.objects.get_or_create(group=group, defaults={"role": role})
        user.groups.add(group)
    return Person(user)


def owner() -> Person:
    """Olga publishes: she makes models and datasets, and is manager of her own."""
    return person("olga", role="publisher")


def team_mate(*governed: RegisteredModel | Dataset, role: str = "scorer") -> Person:
    """Tariq has a role on single models and datasets, and none on everything."""
    tariq = person("tariq")
    for one in governed:
        grant(tariq, one, role)
    return tariq


def stranger() -> Person:
    """Sam has no role: he sees nothing."""
    return person("sam")


def approver() -> Person:
    """Anna approves what others ask for."""
    return person("anna", role="approver")


def manager() -> Person:
    """Marie manages everything."""
    return person("marie", role="manager")


def grant(who: Person, governed: RegisteredModel | Dataset, role: str) -> Grant:
    """Give a role without asking anybody."""
    field = "model" if isinstance(governed, RegisteredModel) else "dataset"
    return Grant.objects.create(user=who.user, role=role, **{field: governed})
