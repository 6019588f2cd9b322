"""Test clients look through all static files when they are made: the first does it for all."""

from __future__ import annotations

from typing import Any

import pytest
from whitenoise.middleware import WhiteNoiseMiddleware


def pytest_configure(config: pytest.Config) -> None:
    """From now on what was found below a prefix is known in this process."""
    look = WhiteNoiseMiddleware.add_files_from_finders
    known: dict[str, dict[str, Any]] = {}

    def look_once(self: WhiteNoiseMiddleware) -> None:
        if self.static_prefix not in known:
            look(self)
            known[self.static_prefix] = dict(self.files)
        self.files.update(known[self.static_prefix])

    WhiteNoiseMiddleware.add_files_from_finders = look_once
