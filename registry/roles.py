"""The roles and the scopes: one list of each, and which scope stands for which role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

VIEWER: Final = "viewer"
SCORER: Final = "scorer"
PUBLISHER: Final = "publisher"
APPROVER: Final = "approver"
MANAGER: Final = "manager"

# Cumulative, lowest first: each role may do what the ones before it may.
ROLES: Final = (VIEWER, SCORER, PUBLISHER, APPROVER, MANAGER)
ROLE_CHOICES: Final = [(role, role) for role in ROLES]

SCOPE_ROLES: Final[dict[str, str]] = {
    "read": VIEWER,
    "score": SCORER,
    "publish": PUBLISHER,
    "approve": APPROVER,
    "admin": MANAGER,
}
SCOPES: Final = tuple(SCOPE_ROLES)
DEFAULT_SCOPES: Final = ("read", "score")


def rank(role: str | None) -> int:
    """How far a role reaches: -1 for none, 0 for viewer, up to 4 for manager."""
    return -1 if role is None else ROLES.index(role)


def highest(roles: Iterable[str]) -> str | None:
    """The role that reaches furthest, or None where there is none."""
    return max(roles, key=rank, default=None)


def scope_for(role: str) -> str:
    """The scope that a key needs for what the role may do."""
    return SCOPES[rank(role)]
