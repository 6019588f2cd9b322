"""Plain: who a provider of OpenID Connect says that somebody is, and what that gives them here.

A claim is a member of the provider's answer (OpenID Connect Core 1.0, sections 2 and 5.1). The
provider's ``sub`` is the only name that stands for a person: names and addresses may be given to
somebody else, so nobody is known by them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry import roles

# As Django's users have it.
_USERNAME = re.compile(r"[\w.@+-]{1,150}")
SUBJECT_MAX_CHARS = 191
_NAME_MAX_CHARS = 150
_EMAIL_MAX_CHARS = 254
_GROUPS_MAX = 10_000


class UnusableClaims(Exception):
    """What the provider says cannot be used; ``str()`` names the claim."""


@dataclass(frozen=True, slots=True)
class SignOn:
    """The provider, and what its claims mean here.

    ``roles`` maps a group of the provider to a role on everything; empty: roles are given here.
    ``staff_groups`` are those whose members may open the pages; empty: everybody may.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    label: str = "single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    username_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    staff_groups: frozenset[str] = frozenset()
    session_s: int = 12 * 3600


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom the provider knows. ``role`` is the highest that their groups give, or None."""

    issuer: str
    subject: str
    username: str
    email: str
    first_name: str
    last_name: str
    role: str | None
    is_staff: bool


def identity_of(claims: Mapping[str, Any], told: SignOn) -> Identity:
    """Read the claims. Raises UnusableClaims where ``sub`` or the user name is of no use."""
    groups = frozenset(_groups(_at(claims, told.groups_claim)))
    first, _, last = _text(claims.get("name"), _NAME_MAX_CHARS * 2).partition(" ")
    return Identity(
        issuer=told.issuer,
        subject=_subject(claims.get("sub")),
        username=_username(_at(claims, told.username_claim), told.username_claim),
        email=_text(claims.get("email"), _EMAIL_MAX_CHARS),
        first_name=_text(claims.get("given_name") or first, _NAME_MAX_CHARS),
        last_name=_text(claims.get("family_name") or last, _NAME_MAX_CHARS),
        role=roles.highest(role for group, role in told.roles.items() if group in groups),
        is_staff=not told.staff_groups or bool(told.staff_groups & groups),
    )


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, else by its path: ``realm_access.roles``."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _subject(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= SUBJECT_MAX_CHARS or "\0" in value:
        raise UnusableClaims(f"The claim “sub” is no text of 1 to {SUBJECT_MAX_CHARS} characters.")
    return value


def _username(value: object, claim: str) -> str:
    """As accounts are kept, which makes one of what looks alike (NFKC): so names are compared."""
    if value is None:
        raise UnusableClaims(
            f"The provider sent no claim “{claim}”, which names the account here. Whoever runs "
            "this server can have it sent, or set OIDC_USERNAME_CLAIM to one that is."
        )
    name = unicodedata.normalize("NFKC", value) if isinstance(value, str) else ""
    if not _USERNAME.fullmatch(name):
        raise UnusableClaims(
            f"The claim “{claim}” is no user name: 1 to 150 letters, digits and @ . + - _ of them."
        )
    return name


def _groups(value: object) -> Iterable[str]:
    """The names in a list, or the one that stands alone; anything else is no group."""
    if isinstance(value, str):
        return [value]
    listed = value[:_GROUPS_MAX] if isinstance(value, list) else []
    return [name for name in listed if isinstance(name, str)]


def _text(value: object, max_chars: int) -> str:
    """What serves people only: left out where it is no text of that length."""
    usable = isinstance(value, str) and len(value) <= max_chars and value.isprintable()
    return str(value).strip() if usable else ""
