"""What the words of the table mean: who asks, and what they are to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from registry import roles

Side = Literal["own", "other"]
SIDES: tuple[Side, ...] = ("own", "other")

# What somebody is told.
DONE = "done"  # it is shown, or done
REFUSED = "refused"  # 403: it may be seen, this may not be done
HIDDEN = "hidden"  # 404: for them it does not exist
ASKED_IN = "asked to sign in"  # 401, or the page to sign in


@dataclass(frozen=True)
class Standing:
    """What somebody holds: roles by grant on one side, by group on everything.

    ``scope`` is the role that a key's highest scope stands for, None for a session; ``is_limited``
    says that the key is limited to the model of the own side.
    """

    name: str
    comes_with: Literal["nothing", "session", "key", "dead key"] = "session"
    is_staff: bool = True
    granted: str | None = None
    everywhere: str | None = None
    scope: str | None = None
    is_limited: bool = False

    def role_on(self, side: Side, *, of_model: bool) -> str | None:
        """The role that counts on the things of one side, the key's scopes included."""
        if self.is_limited and of_model and side == "other":
            return None
        held = [self.everywhere, self.granted if side == "own" else None]
        highest = self._scoped(roles.highest(role for role in held if role))
        # It manages models alone.
        return roles.APPROVER if self.is_beyond(highest, of_model=of_model) else highest

    def is_beyond(self, role: str | None, *, of_model: bool) -> bool:
        """Whether a key that is limited to models would manage something else."""
        return self.is_limited and not of_model and role == roles.MANAGER

    @property
    def role_everywhere(self) -> str | None:
        """The group's role that counts; a key that is limited to models manages nothing else."""
        if self.is_limited and self.everywhere == roles.MANAGER:
            return self._scoped(roles.APPROVER)
        return self._scoped(self.everywhere)

    @property
    def role_anywhere(self) -> str | None:
        """The highest role on anything."""
        return self._scoped(roles.highest(r for r in (self.everywhere, self.granted) if r))

    def may_with_scope(self, role: str) -> bool:
        """Whether the key, if there is one, has the scope of a role."""
        return self.scope is None or roles.rank(self.scope) >= roles.rank(role)

    def _scoped(self, role: str | None) -> str | None:
        return role if self.scope is None or role is None else min(role, self.scope, key=roles.rank)


def expected(
    level: str, who: Standing, side: Side, *, is_page: bool, of_model: bool, is_theirs: bool
) -> str:
    """What the rule answers to somebody who asks for the things of one side.

    ``of_model`` says that the thing hangs on a model, ``is_theirs`` that it belongs to who asks.
    """
    if level == "open" or (level == "anybody" and who.comes_with != "dead key"):
        return DONE
    if level == "closed":
        return HIDDEN
    if who.comes_with in ("nothing", "dead key"):
        return ASKED_IN
    if is_page and (who.comes_with == "key" or not who.is_staff):
        return ASKED_IN
    return _judged(level, who, side, of_model=of_model, is_theirs=is_theirs)


def _judged(level: str, who: Standing, side: Side, *, of_model: bool, is_theirs: bool) -> str:
    if level == "signed-in":
        return DONE
    if level in ("nobody", "refused"):
        return HIDDEN if level == "nobody" else REFUSED
    is_manager = who.role_everywhere == roles.MANAGER
    role, _, where = level.partition(" ")
    if role == "owner":
        if not is_theirs and not is_manager:
            return HIDDEN
        return DONE if not where or who.may_with_scope(where) else REFUSED
    assert role in roles.ROLES, level
    if where in ("or-refused", "or-hidden"):
        told = _judged(role, who, side, of_model=of_model, is_theirs=is_theirs)
        return told if told == DONE else {"or-refused": REFUSED, "or-hidden": HIDDEN}[where]
    if where in ("everywhere", "anywhere"):
        if who.is_limited and of_model:
            return REFUSED
        held = {"everywhere": who.role_everywhere, "anywhere": who.role_anywhere}[where]
        return DONE if roles.rank(held) >= roles.rank(role) else REFUSED
    held = who.role_on(side, of_model=of_model)
    if held is None:
        return HIDDEN
    if where == "granted" and not is_manager:
        held = who.granted if side == "own" else None
    return DONE if roles.rank(held) >= roles.rank(role) else REFUSED


@dataclass(frozen=True)
class Row:
    """One cell of the table: ``case`` names what is asked beyond the plain request."""

    pattern: str
    method: str
    case: str
    level: str

    @property
    def key(self) -> str:
        """How requests are looked up: ``PATCH:rules api/v1/...``."""
        return f"{self.method}{':' + self.case if self.case else ''} {self.pattern}"


def rows_of(table: dict[str, str]) -> list[Row]:
    """The cells of the table, in its order."""
    found = []
    for pattern, cells in table.items():
        for cell in cells.split(";"):
            head, _, level = cell.strip().partition(" ")
            method, _, case = head.partition(":")
            found.append(Row(pattern, method, case, level.strip()))
    return found
