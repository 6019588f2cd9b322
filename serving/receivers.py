"""Listens to the registry: what happens there sets work going here."""

from __future__ import annotations

from typing import Any

from registry.queue import CHECK_VERSION, enqueue
from registry.signals import version_registered, version_released


def connect() -> None:
    """Connect the receivers; called once when the application starts."""
    version_registered.connect(_check, dispatch_uid="serving.check.registered")
    version_released.connect(_check, dispatch_uid="serving.check.released")


def _check(version: Any, **_: Any) -> None:
    enqueue(CHECK_VERSION, version.pk)
