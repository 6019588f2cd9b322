"""Fixtures of the REST tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def only_our_files(tmp_path, settings):
    """A state folder of its own, so that a test sees every file that it leaves."""
    settings.MODELYARD_HOME = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "storage")},
        }
    }
