"""Fixtures of the tests of actions."""

from __future__ import annotations

from tests.registry.api.conftest import only_our_files

__all__ = ["only_our_files"]
