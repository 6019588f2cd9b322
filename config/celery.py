"""The Celery application: `celery -A config worker`; the beat is `config/beat.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("modelyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _say_ready(**_: Any) -> None:
    """Tell whoever started this process that it works now: `manage.py up`, or a container probe."""
    if path := os.environ.get("MODELYARD_READY_FILE"):
        Path(path).write_text(str(os.getpid()), encoding="ascii")


worker_ready.connect(_say_ready)
beat_init.connect(_say_ready)
