"""Wires things together: settings, URLs, WSGI, Celery. Nobody imports it."""

import os

from config import lean

if os.environ.get(lean.VARIABLE):
    lean.refuse_model_libraries()

# After it: Celery's tasks import nearly everything.
from config.celery import app as celery_app

__all__ = ["celery_app"]
