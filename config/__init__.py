"""Wires things together: settings, URLs, WSGI, Celery. Nobody imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
