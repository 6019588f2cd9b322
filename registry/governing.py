"""Which tables of the registry decide who may score with what: their changes are announced.

Every answer that is kept in memory rests on these, and on those that serving adds at its start.
"""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session

from registry import changes
from registry.models import (
    Alias,
    ApiKey,
    Grant,
    GroupRole,
    ModelVersion,
    RegisteredModel,
    User,
)

# What is written about a row while it works, and decides nothing.
_OF_A_KEY = ("name", "last_used_at")
# A new password ends the sessions of its user.
_OF_A_USER = ("last_login", "first_name", "last_name", "email", "date_joined")
_OF_A_MODEL = ("description", "card", "legal_hold", "tags", "next_number", "updated_at")
_OF_A_VERSION = (
    "checking_until",
    "check_attempts",
    "gate_version",
    "description",
    "tags",
    "metrics",
    "source",
    "file_label",
)


def announce_changes() -> None:
    """Called once, at start."""
    changes.announce_changes_of(ApiKey, but_for=_OF_A_KEY)
    changes.announce_changes_of(User, but_for=_OF_A_USER)
    changes.announce_changes_of(RegisteredModel, but_for=_OF_A_MODEL)
    changes.announce_changes_of(ModelVersion, but_for=_OF_A_VERSION)
    changes.announce_changes_of(Alias, Group, GroupRole, Grant, Session)
    # Join tables: who is in which group, and which models a key is limited to.
    changes.announce_changes_of(User.groups.through, ApiKey.limited_to.through)
    changes.watch()
