"""What a manager of everything may change about people: users, their groups, roles of groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from registry import audit, roles
from registry.actions.fields import check_choice
from registry.errors import InvalidField, NameTaken, NotAllowed, StateConflict
from registry.models import GroupRole, User
from registry.models.base import TimeOrdered
from registry.principals import Principal, require_everywhere

_FIELDS = ("username", "email", "first_name", "last_name", "is_staff", "is_active")


@transaction.atomic
def create_user(*, by: Principal, password: str, groups: Iterable[Group], **values: Any) -> User:
    """Make somebody who may sign in. Raises NotAllowed, NameTaken."""
    require_everywhere(by, roles.MANAGER)
    try:
        with transaction.atomic():
            user = User.objects.create_user(password=password, **values)
    except IntegrityError:
        raise NameTaken(f"There is a user “{values['username']}” already.") from None
    user.groups.set(groups)
    _record(by, "user.create", user, after={**values, "groups": _names(groups)})
    return user


@transaction.atomic
def update_user(*, by: Principal, user: User, groups: Iterable[Group], **values: Any) -> User:
    """Change somebody. Raises NotAllowed, and StateConflict for locking oneself out."""
    _require_over(by, user)
    if user.pk == by.user.pk and not (values["is_active"] and values["is_staff"]):
        raise StateConflict("You would lock yourself out: ask somebody else to do this.")
    if User.objects.filter(username__iexact=values["username"]).exclude(pk=user.pk).exists():
        raise NameTaken(f"There is a user “{values['username']}” already.")
    before = {name: getattr(user, name) for name in _FIELDS}
    groups_before = _names(user.groups.all())
    for name in _FIELDS:
        setattr(user, name, values[name])
    user.save(update_fields=list(_FIELDS))
    user.groups.set(groups)
    after = {name: getattr(user, name) for name in _FIELDS if getattr(user, name) != before[name]}
    if groups_before != _names(groups):
        before["groups"], after["groups"] = groups_before, _names(groups)
    if after:
        _record(by, "user.update", user, before={k: before[k] for k in after}, after=after)
    return user


@transaction.atomic
def set_password(*, by: Principal, user: User, password: str) -> User:
    """Give somebody a new password; their sessions end."""
    _require_over(by, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    _record(by, "user.password", user, after={})
    return user


@transaction.atomic
def save_group(*, by: Principal, group: Group | None, name: str, role: str) -> Group:
    """Make or change a group; an empty role is none. Raises NotAllowed, NameTaken."""
    require_everywhere(by, roles.MANAGER)
    if role:
        check_choice(role, list(roles.ROLES), pointer="/role")
    if not name.strip():
        raise InvalidField("A name is needed.", pointer="/name")
    before = _role_of(group) if group else {}
    group = group or Group()
    group.name = name.strip()
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError:
        raise NameTaken(f"There is a group “{name}” already.") from None
    if role:
        GroupRole.objects.update_or_create(group=group, defaults={"role": role})
    else:
        GroupRole.objects.filter(group=group).delete()
    after = {"name": group.name, "role": role or None}
    if before != after:
        _record(by, "group.update" if before else "group.create", group, before=before, after=after)
    return group


def _require_over(by: Principal, user: User) -> None:
    require_everywhere(by, roles.MANAGER)
    if user.is_superuser and not by.user.is_superuser:
        raise NotAllowed("Only a superuser changes a superuser.")


def _role_of(group: Group) -> dict[str, Any]:
    held = GroupRole.objects.filter(group=group).first()
    return {"name": group.name, "role": held.role if held else None}


def _names(groups: Iterable[Group]) -> list[str]:
    return sorted(group.name for group in groups)


def _record(
    by: Principal,
    action: str,
    subject: User | Group,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    # Both have what an event needs: a key, a name and a kind.
    audit.record(by, action, cast(TimeOrdered, subject), before=before, after=after)
