"""Which group gives a role on everything, and a person's groups with only that one of them."""

from __future__ import annotations

from django.contrib.auth.models import Group

from registry.models import User


def group_of(role: str) -> Group | None:
    """The oldest group that holds the role; None where there is none."""
    return Group.objects.filter(held_role__role=role).order_by("pk").first()


def with_only(user: User, group: Group | None) -> list[Group]:
    """The person's groups that hold no role, and of those that hold one only this."""
    kept = [one for one in user.groups.select_related("held_role") if not hasattr(one, "held_role")]
    return [*kept, group] if group is not None else kept
