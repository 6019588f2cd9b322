"""The Celery application that beat runs: it knows when to ring, and nothing of tasks and models.

With the whole application beat would take 2 s to start and 100 MiB to keep, to send two messages.
Its process has a second work: a thread that seals the audit trail, in plain SQL.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import beat_init
from django.apps import apps

# No fixups: Celery's own for Django would load every model.
app = Celery("modelyard", fixups=set())
app.config_from_object("config.settings", namespace="CELERY")


def _seal(**_: Any) -> None:
    """Seal from now on, in a thread that ends with the process."""
    from registry.actions.sealer import Sealer

    # Ready, with no application: the database may be asked.
    apps.populate(())
    Sealer().start()


beat_init.connect(_seal)
