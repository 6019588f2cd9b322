"""The doorbell: ringing in vain is logged and harms nothing."""

import logging

import pytest
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from registry import queue


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError("away"), ConnectionRefusedError("away")])
def test_a_broker_that_is_away_is_logged_and_the_change_stands(monkeypatch, caplog, error):
    class Bell:
        def apply_async(self, **options):
            raise error

    monkeypatch.setattr(current_app, "signature", lambda name, args: Bell())
    with caplog.at_level(logging.WARNING, "registry.queue"), transaction.atomic():
        queue.enqueue("serving.drive", 7)
    assert "Could not ring for serving.drive ['7']" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_nobody_rings_for_a_change_that_is_rolled_back(monkeypatch):
    rung = []
    monkeypatch.setattr(queue, "_ring", lambda name, ids: rung.append(name))
    with transaction.atomic():
        queue.enqueue("serving.drive", 7)
        transaction.set_rollback(True)
    assert rung == []
