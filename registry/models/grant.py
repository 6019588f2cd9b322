"""Who may do what: a role of a group for everything, a role of a user on one thing."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

from registry.models.base import TimeOrdered, one_of
from registry.roles import ROLE_CHOICES, ROLES


class GroupRole(models.Model):
    """The role that members of a group have on everything."""

    group = models.OneToOneField(Group, models.CASCADE, related_name="held_role")
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)

    class Meta:
        constraints = [one_of("role", ROLES, "group_role_known")]

    def __str__(self) -> str:
        return f"{self.group} is {self.role}"


# What a grant can be on; exactly one of them is set.
_TARGETS = ("model", "dataset", "connection")


def _only(target: str) -> models.Q:
    return models.Q(**{f"{name}__isnull": name != target for name in _TARGETS})


class Grant(TimeOrdered):
    """A role of one user on one model, one dataset or one connection."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    model = models.ForeignKey(
        "registry.RegisteredModel", models.CASCADE, null=True, blank=True, related_name="grants"
    )
    dataset = models.ForeignKey(
        "registry.Dataset", models.CASCADE, null=True, blank=True, related_name="grants"
    )
    connection = models.ForeignKey(
        "registry.Connection", models.CASCADE, null=True, blank=True, related_name="grants"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TimeOrdered.Meta):
        constraints = [
            one_of("role", ROLES, "grant_role_known"),
            models.CheckConstraint(
                condition=_only("model") | _only("dataset") | _only("connection"),
                name="grant_on_one_thing",
            ),
            models.UniqueConstraint(fields=["user", "model"], name="grant_once_per_model"),
            models.UniqueConstraint(fields=["user", "dataset"], name="grant_once_per_dataset"),
            models.UniqueConstraint(
                fields=["user", "connection"], name="grant_once_per_connection"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.model or self.dataset or self.connection}"
