"""People: Django's user with an id of ours; roles come from groups and grants."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from registry.ids import uuid7


class User(AbstractUser):
    """Somebody who may sign in. A new user has no role and sees nothing."""

    id: models.UUIDField[uuid.UUID, uuid.UUID] = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
